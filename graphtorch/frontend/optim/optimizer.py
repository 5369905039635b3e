"""Optimizer: parameter groups, per-parameter state, and a step that one program can hold.

A step writes parameters and state in place with tensor ops. Hyperparameters that are numbers are read
through the interpreter (`numbers`), so that a program takes them as inputs and a changed learning rate
compiles nothing. What decides which ops run (flags, whether a number is 0) is read as plain Python, and
is what `Optimizer._structure` tells of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import not_
from typing import Any, ClassVar
from weakref import WeakSet

from graphtorch.frontend import epoch
from graphtorch.frontend.autograd import enable_grad, no_grad
from graphtorch.frontend.nn.arguments import flag
from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.optim import state_dict as _state
from graphtorch.frontend.optim.names import take_names
from graphtorch.frontend.optim.step_hooks import Hooked, StepHooks
from graphtorch.frontend.placement import at
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir import loc as places
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import defaults, float32, float64

Group = dict[str, Any]
#: all optimizers that there are: what none of them holds is not trained
alive: WeakSet[Optimizer] = WeakSet()


class Optimizer(Hooked):
    """The base of all optimizers.

    ``params`` are tensors (or pairs of a name and a tensor), or dicts with "params" and options of their own;
    ``defaults`` are the options of groups that do not give them. A subclass defines `_check` and `_update`.
    ArgumentTypeError GT301 for what is not a tensor, ArgumentError GT306 for no parameters, one given twice, or one
    that is computed.
    """

    #: options whose truth decides which ops a step consists of
    _switches: ClassVar[tuple[str, ...]] = ()
    #: the user's line that constructed it
    _made_at: places.Loc | None = None

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._generation = 0
        self._hooks = StepHooks()
        self._made_at = places.made_here(self)
        for group in _as_groups(params):
            self.add_param_group(group)
        alive.add(self)

    def _check(self, group: Group) -> None:
        """Raise ArgumentError GT304 for an option out of range."""

    def _update(self, group: Group, params: list[tuple[Tensor, Tensor]]) -> None:
        """Apply one step to (parameter, gradient) pairs; runs under `no_grad`."""
        raise NotImplementedError(type(self).__name__)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own: ``{"params": [...], "lr": 0.01}``; of names see `take_names`."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ArgumentTypeError("GT301", 'param_group must be a dict with "params"', [f"got {param_group!r}"])
        given = param_group["params"]
        params, names = take_names([given] if isinstance(given, Tensor) else list(given), self.param_groups)
        known = {p: number for number, group in enumerate(self.param_groups) for p in group["params"]}
        for position, p in enumerate(params):
            _check_parameter(p, position, known, len(self.param_groups))
            known[p] = len(self.param_groups)
        group = {"params": params, **names, **self.defaults, **{k: v for k, v in param_group.items() if k != "params"}}
        self._check(group)
        self.param_groups.append(group)
        epoch.bump()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. ``closure`` recomputes the loss, which is returned."""
        return self._hooks.around(self, self._step, closure)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                found = [(p, g) for p in group["params"] if (g := p.grad) is not None]
                if found:
                    self._update(group, found)
        # after the updates, which make the state that is missing
        interpreter = bind.current()
        interpreter.depends(f"the options or the state of {type(self).__name__}", self._structure)
        interpreter.stepped(self)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or make them zeros."""
        for p in (p for group in self.param_groups for p in group["params"]):
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.zero_()
        bind.current().cleared(self)

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {index: {name: tensor}}, "param_groups": [options with "params": [indices]]}``."""
        self._tell("collecting")
        return self._through("collected", _state.collect(self))

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over options and state, in place where the tensors are already there.

        StateError GT705 lists all that does not fit, and then nothing was changed.
        """
        given = self._through("loading", dict(state_dict)) if isinstance(state_dict, Mapping) else state_dict
        _state.load(self, given)
        self._tell("loaded")

    def _state_of(self, p: Tensor, name: str, make: Callable[[], Tensor]) -> Tensor:
        """The state ``name`` of a parameter, made outside of any trace when it is not there yet."""
        interpreter = bind.current()
        if p not in self.state:
            interpreter.made(self.state, p)
        state = self.state[p]
        if name not in state:
            interpreter.made(state, name)
            with bind.suspended(), at(p.device):
                state[name] = make()
        return state[name]  # type: ignore[no-any-return]

    def _zeros(self, p: Tensor, name: str) -> Tensor:
        """The state ``name`` of a parameter, which begins as zeros of its shape."""
        return self._state_of(p, name, lambda: PUBLIC["gt"]["zeros_like"](p.detach()))

    def _state_shape(self, p: Tensor) -> Sequence[int]:
        """The shape of the tensors in the state of ``p``, but for those of no dimensions."""
        return p.shape

    def _beside(self) -> dict[Tensor, Tensor]:
        """Tensors that a step writes, and that are not in the state, by parameter."""
        return {}

    def _loaded(self) -> None:
        """Called when the state was replaced, for what a subclass keeps beside it."""

    def _structure(self) -> tuple[object, ...]:
        """What decides which ops a step consists of, over which tensors; a program is good for these objects.

        It is asked at every call of a program: a flat tuple, whose parts are compared by identity.
        """
        out: list[object] = [self._generation, *self._hooks.all(), *self.state]
        for group in self.param_groups:
            out.append(group)
            out += group["params"]
            out += map(not_, map(group.__getitem__, self._switches))  # True and False are one object each
        for state in self.state.values():
            out += [v for v in state.values() if isinstance(v, Tensor)]
        return tuple(out)

    def __repr__(self) -> str:
        lines = []
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            lines.append("")
        return f"{type(self).__name__} (\n" + "\n".join(lines[:-1]) + "\n)"


def numbers(group: Group, *keys: Any) -> tuple[Any, ...]:
    """Options by key (or path of keys): floats in eager mode, inputs of the program in a trace."""
    interpreter: Any = bind.current()
    return tuple(interpreter.number(group, key) for key in keys)


def number_unless_zero(group: Group, key: str) -> Any:
    """`numbers` of one option, or None where it is 0: its ops are then left out of the step."""
    return None if group[key] == 0 else numbers(group, key)[0]


def no_steps() -> Tensor:
    """A count of steps. As in torch: float64 if that is the default dtype, else float32, which counts to 2**24."""
    dtype = float64 if defaults.dtype is float64 else float32
    return PUBLIC["gt"]["zeros"]((), dtype=dtype)  # type: ignore[no-any-return]


def choices(*, foreach: bool | None, differentiable: bool, **others: bool | None) -> Group:
    """torch's options of how a step is computed, which change nothing here: a compiled step is fused anyway.

    ArgumentError GT304 for ``foreach`` with ``fused``, and for ``differentiable``; ArgumentTypeError GT301 for no bool.
    """
    fused = others.get("fused")
    for name, value in {"foreach": foreach, **others}.items():
        flag(value is not None and value, name)
    check(
        not (foreach and fused),
        "GT304",
        "foreach=True and fused=True are not allowed together",
        "expected one of them at most",
        kind=ArgumentError,
    )
    check(
        not flag(differentiable, "differentiable"),
        "GT304",
        "differentiable=True is not supported",
        "expected differentiable=False",
        kind=ArgumentError,
    )
    last = {"fused": others.pop("fused")} if "fused" in others else {}
    return {"foreach": foreach, **others, "differentiable": differentiable, **last}


def downhill(group: Group, p: Tensor, g: Tensor) -> Tensor:
    """The gradient to follow: turned around by ``maximize``, with ``weight_decay`` times ``p`` added."""
    decay = number_unless_zero(group, "weight_decay")
    g = -g if group["maximize"] else g
    return g if decay is None else g + p * decay


def at_least(group: Group, name: str, low: float) -> None:
    """ArgumentTypeError GT301 or ArgumentError GT304 unless the option is a number >= ``low``."""
    in_range(group[name], name, low, float("inf"), f"{name} >= {low:g}")


def in_range(value: Any, name: str, low: float, high: float, expected: str) -> None:
    """ArgumentTypeError GT301 or ArgumentError GT304 unless low <= value <= high."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        instead = ["pass its item(): programs take it as an input"] if isinstance(value, Tensor) else []
        raise ArgumentTypeError("GT301", f"{name} must be a number, got {type(value).__name__} {value!r}", instead)
    check(low <= value <= high, "GT304", f"{name}={value} is not allowed", f"expected {expected}", kind=ArgumentError)


def _as_groups(params: Iterable[Any]) -> list[Group]:
    if isinstance(params, Tensor | dict | str) or not isinstance(params, Iterable):
        raise ArgumentTypeError(
            "GT301",
            f"params must be an iterable of tensors or of dicts, got {type(params).__name__}",
            ['expected net.parameters(), a list of tensors, or a list of dicts with "params"'],
        )
    given = list(params)
    check(
        bool(given),
        "GT306",
        "the optimizer got no parameters",
        "expected at least one; layers in a plain list or dict are not found (nn.ModuleList, nn.ModuleDict are), and "
        "net.parameters() can be consumed only once",
        kind=ArgumentError,
    )
    return given if isinstance(given[0], dict) else [{"params": given}]


def _check_parameter(p: Any, position: int, known: Mapping[Tensor, int], group: int) -> None:
    """``known``: the groups that hold parameters already, by number; ``group`` is that of ``p``."""
    if not isinstance(p, Tensor):
        raise ArgumentTypeError("GT301", f"params[{position}] must be a tensor, got {type(p).__name__}")
    named = f"params[{position}]" + ("" if isinstance(p, Uninitialized) else f" {p.aval}")
    first = known.get(p, group)
    where = f"group {group} has it already" if first == group else f"groups {first} and {group} both have it"
    check(
        p not in known,
        "GT306",
        f"{named} is given twice",
        f"{where}; expected every parameter once, in one group",
        kind=ArgumentError,
    )
    check(
        p.is_leaf,
        "GT306",
        f"{named} is computed from other tensors",
        "expected leaves: tensors that no op has made",
        kind=ArgumentError,
    )
