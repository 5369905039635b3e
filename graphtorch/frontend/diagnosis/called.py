"""A call of a module, as an abstract run saw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import leaves
from graphtorch.ir.loc import Loc, ScopeOwner
from graphtorch.ir.types import TensorType

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Weight:
    """A parameter or a buffer that a module holds itself, as it is when the module is called."""

    type: TensorType
    requires_grad: bool
    is_parameter: bool


@dataclass
class ModuleCall:
    """A call of a module. ``inputs`` and ``outputs`` are the types of its tensors; a failed call has no outputs.

    ``parent`` is the module that called it, ``loc`` the user's line, and ``direct`` is whether that line calls it, and
    not a layer of the package that it calls.
    """

    number: int
    path: str
    module: Module
    parent: ScopeOwner | None
    depth: int
    loc: Loc
    arguments: Arguments
    inputs: list[TensorType]
    direct: bool = True
    #: by the id of the tensor, so that one which several modules hold counts once
    weights: dict[int, Weight] = field(default_factory=dict)
    outputs: list[TensorType] = field(default_factory=list)
    result: Any = None
    failed: bool = True


def weights_of(module: Module) -> dict[int, Weight]:
    """What ``module`` holds itself, less what has no shape yet."""
    tables: list[dict[str, Any]] = [module._parameters, module._buffers]
    return {
        id(t): Weight(t.aval, t._requires_grad, table is tables[0])
        for table in tables
        for t in table.values()
        if t is not None and not isinstance(t, Uninitialized)
    }


def types_in(tree: Any) -> list[TensorType]:
    """The types of the tensors in a nesting, in order."""
    return [t.aval for t in leaves(tree) if isinstance(t, Tensor)]
