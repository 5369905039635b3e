"""Weight normalisation: direction and length of a weight as parameters of their own.

T. Salimans, D. P. Kingma, "Weight normalization: a simple reparameterization to accelerate training of deep neural
networks", NIPS 2016.
"""

from __future__ import annotations

from typing import Any, TypeVar

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn import parametrize
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import normalize_dim

M = TypeVar("M", bound=Module)


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The lengths of the slices of ``v`` along ``dim``, of size 1 in all others; of all of it, 0-d, for dim=-1."""
    if dim == -1:
        return PUBLIC["linalg"]["vector_norm"](v)  # type: ignore[no-any-return]
    at = normalize_dim(dim, v.ndim)
    others = tuple(d for d in range(v.ndim) if d != at)
    return PUBLIC["linalg"]["vector_norm"](v, 2, others, True) if others else v.abs()  # type: ignore[no-any-return]


class _WeightNorm(Module):
    """``length * v / |v|``, where lengths are those of slices along ``dim``."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))  # type: ignore[no-any-return]

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The lengths of a weight, and itself."""
        return norm_except_dim(weight, self.dim), weight


def parametrized(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Train the parameter ``name`` as lengths (``original0``) and a direction (``original1``); returns the module.

    There is a length for each index of dimension ``dim``, or one for all with None. State of the older `weight_norm`,
    ``weight_g`` and ``weight_v``, can be loaded.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(_: Module, state: dict[str, Any], prefix: str, *_others: Any) -> None:
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state for key in old):
            for i, key in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class WeightNorm:
    """The hook of `weight_norm`: computes the weight before every call."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def compute_weight(self, module: Module) -> Tensor:
        v: Tensor = getattr(module, f"{self.name}_v")
        return v * (getattr(module, f"{self.name}_g") / norm_except_dim(v, self.dim))  # type: ignore[no-any-return]

    def __call__(self, module: Module, _args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """torch's older form: parameters ``weight_g`` and ``weight_v``, of which every call computes ``weight`` first.

    ArgumentError GT304 where it is applied already, or the module has no such parameter.
    """
    check(
        hook_of(module, WeightNorm, name) is None,
        "GT304",
        f"{type(module).__name__}.{name} has a weight_norm already",
        kind=ArgumentError,
    )
    weight = parameter_of(module, name)
    made = WeightNorm(name, -1 if dim is None else dim)
    with no_grad():
        length = norm_except_dim(weight, made.dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.data))
    setattr(module, name, made.compute_weight(module))
    module.register_forward_pre_hook(made)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Undo `weight_norm`: the weight as it is computed now becomes a parameter. ArgumentError GT304 without one."""
    made = take_hook(module, WeightNorm, name, "weight_norm")
    with no_grad():
        weight = made.compute_weight(module)
    for each in (name, f"{name}_g", f"{name}_v"):
        delattr(module, each)
    setattr(module, name, Parameter(weight.data))
    return module


def parameter_of(module: Module, name: str) -> Parameter:
    """The parameter ``name``; ArgumentError GT304 where there is none."""
    found = module._parameters.get(name)
    if found is None:
        raise ArgumentError("GT304", f"{type(module).__name__} has no parameter {name!r}")
    return found


def hook_of(module: Module, kind: type, name: str) -> int | None:
    """The key of the hook of a class for the parameter ``name``."""
    every = module._hooks_for("forward_pre")
    return next((key for key, h in every if isinstance(h.function, kind) and h.function.name == name), None)  # type: ignore[attr-defined]


def take_hook(module: Module, kind: type, name: str, called: str) -> Any:
    """Take that hook out of the module; ArgumentError GT304 without one."""
    key = hook_of(module, kind, name)
    if key is None:
        raise ArgumentError("GT304", f"{type(module).__name__}.{name} has no {called}")
    return module._hooks.pop(key).function
