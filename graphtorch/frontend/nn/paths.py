"""Members of modules at any depth, by their paths: "features.0.weight"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphtorch.frontend.nn.members import Members
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, MissingAttributeError

if TYPE_CHECKING:
    from graphtorch.frontend.nn.module import Module


class Paths(Members):
    """What a module finds by paths. MissingAttributeError GT702 where there is nothing of that kind."""

    def get_submodule(self, target: str) -> Module:
        """The module at the path ``target``; this one for ""."""
        module: Any = self
        for name in target.split(".") if target else ():
            module = getattr(module, name)
            if not isinstance(module, Members):
                raise MissingAttributeError("GT702", f"{name!r} in {target!r} is not a module")
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at the path ``target``, whose last name may be new unless ``strict``.

        ArgumentTypeError GT301 for an empty path, or for what is no module.
        """
        if not isinstance(module, Members) or not target:
            wrong = "target is empty" if not target else f"module must be a module, got {type(module).__name__}"
            raise ArgumentTypeError("GT301", wrong)
        if strict:
            self.get_submodule(target)
        path, _, name = target.rpartition(".")
        setattr(self.get_submodule(path), name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the path ``target``."""
        return self._found(target, "parameter", Parameter)  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the path ``target``."""
        return self._found(target, "buffer", Tensor)  # type: ignore[no-any-return]

    def _found(self, target: str, what: str, kind: type) -> Any:
        path, _, name = target.rpartition(".")
        found = vars(self.get_submodule(path))[f"_{what}s"].get(name)
        if not isinstance(found, kind):
            raise MissingAttributeError("GT702", f"{target!r} is not a {what}")
        return found
