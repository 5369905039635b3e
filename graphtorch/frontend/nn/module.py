"""Module: layers as objects that hold parameters, buffers and other modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Self

from graphtorch.frontend.nn import hooks
from graphtorch.frontend.nn.conversion import Convertible, made_there
from graphtorch.frontend.nn.members import Registry
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.nn.paths import Paths
from graphtorch.frontend.nn.state_dict import Stateful
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind, loc
from graphtorch.ir.errors import (
    ArgumentTypeError,
    GraphTorchError,
    StateError,
)
from graphtorch.ir.op import describe


class Module(Paths, Convertible, Stateful):
    """The base of all layers. A subclass calls ``super().__init__()``, assigns its parts and defines `forward`.

    Parameters, buffers and modules that are assigned to attributes are found by `parameters`,
    `state_dict`, `to` and the like, under the names of the attributes.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        made_there(cls)

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _hooks=Registry(), _made_at=loc.made_here(self))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass that is called defines it."""
        raise StateError(
            "GT703", f"{type(self).__name__} has no forward()", ["expected a method: def forward(self, ...)"]
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, with this module on the stack that errors and traces take module paths from."""
        before = loc.state.scope
        loc.state.scope = loc.Scope(before, self)
        try:
            if self._hooks or hooks.EVERYWHERE:
                return hooks.call(self, args, kwargs)
            interpreter = bind.current()
            if not interpreter.hears_modules:
                return self.forward(*args, **kwargs)
            forward, given, named = interpreter.calling(self, args, kwargs)
            return interpreter.returning(forward(*given, **named))
        except GraphTorchError as error:
            if not error.op:
                operands = zip(inspect.signature(self.forward).parameters, args, strict=False)
                describe(error, type(self).__name__, list(operands))
            if not bind.current().diagnoses:
                from graphtorch.frontend.diagnosis.local import explain  # which is about modules

                explain(self, args, kwargs, error)
            raise
        except TypeError:
            self._check_call(args, kwargs)
            raise
        finally:
            loc.state.scope = before

    def _check_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """ArgumentTypeError GT301 for arguments that `forward` does not take."""
        signature = inspect.signature(self.forward)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as wrong:
            expected = f"forward({', '.join(map(str, signature.parameters.values()))})"
            error = ArgumentTypeError("GT301", f"{type(self).__name__}.forward(): {wrong}", [f"expected {expected}"])
            describe(error, type(self).__name__, list(zip(signature.parameters, args, strict=False)))
            raise error from None

    def _scope_name(self, child: object) -> str:
        """The path of ``child`` from here, through lists and dicts that hold it and do not run; "" for none."""
        direct = next((name for name, module in self._modules.items() if module is child), "")
        return direct or next((path for path, module in self.named_modules() if path and module is child), "")

    @property
    def _created_at(self) -> loc.Loc | None:
        """The user's line that constructed the module."""
        return self.__dict__.get("_made_at")

    # ---- walking ----

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module ("") and all below it; a shared one comes once."""
        memo = set() if memo is None else memo
        if remove_duplicate and self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, join(prefix, name), remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it; a shared one comes once, unless ``remove_duplicate`` is false."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct children; a shared one comes once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter); a shared one comes once, unless ``remove_duplicate`` is false."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and (unless told not to) of all below it."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, buffer); a shared one comes once, unless ``remove_duplicate`` is false."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and (unless told not to) of all below it."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named(self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        found = self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        seen: set[int] = set()
        for path, module in found:
            for name, tensor in module.__dict__[registry].items():
                if tensor is None or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield join(path, name), tensor

    # ---- the whole tree ----

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every module below this one, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Training mode (dropout drops, batch norm uses the batch's statistics) for this module and all below."""
        if not isinstance(mode, bool):
            raise ArgumentTypeError("GT301", f"mode must be a bool, got {type(mode).__name__} {mode!r}")
        self.training = mode
        for module in self.children():  # a child may have a train() of its own
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Evaluation mode: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Whether gradients are wanted for the parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the parameters, or make them zeros."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.zero_()
        bind.current().cleared(self)

    # ---- repr ----

    def extra_repr(self) -> str:
        """What stands in the parentheses of `repr`, for a subclass to define."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({lines[0]})"
        for name, module in self._modules.items():
            # not repr(): it, and a comprehension, would be frames more for each level
            lines.append(f"({name}): {indented(module.__repr__())}")
        return f"{self._get_name()}({block(lines)})"


def join(prefix: str, name: str) -> str:
    """The path of ``name`` below ``prefix``."""
    return f"{prefix}.{name}" if prefix else name


def indented(text: str) -> str:
    """Every line but the first moved in by 2, as torch's repr nests."""
    return text.replace("\n", "\n  ")


def block(lines: list[str]) -> str:
    """The lines between the parentheses of a repr; "" for none."""
    return "\n  " + "\n  ".join(lines) + "\n" if lines else ""
