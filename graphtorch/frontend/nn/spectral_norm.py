"""Spectral normalisation: a weight divided by its largest singular value.

T. Miyato, T. Kataoka, M. Koyama, Y. Yoshida, "Spectral normalization for generative adversarial networks", ICLR 2018.
The singular vectors come of power iterations, one (by default) for each call in training mode; they are buffers.
"""

from __future__ import annotations

from typing import Any, TypeVar

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init, parametrize
from graphtorch.frontend.nn.arguments import positive
from graphtorch.frontend.nn.conv import _Transposed
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.weight_norm import hook_of, parameter_of, take_hook
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import normalize_dim

M = TypeVar("M", bound=Module)
#: power iterations when it begins
_FIRST = 15


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """``weight`` with a row for each index of ``dim``."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)  # type: ignore[no-any-return]


def drawn(size: int, like: Tensor, eps: float) -> Tensor:
    """A random direction."""
    made = PUBLIC["gt"]["empty"](size, dtype=like.dtype)
    return F.normalize(init.normal_(made), dim=0, eps=eps)  # type: ignore[no-any-return]


def outputs_dim(module: Module) -> int:
    """The dimension of the weight that counts outputs."""
    return 1 if isinstance(module, _Transposed) else 0


class _SpectralNorm(Module):
    """A weight over its largest singular value; of one dimension, over its length."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        self.dim = normalize_dim(dim, weight.ndim)
        self.n_power_iterations = positive(n_power_iterations, "n_power_iterations")
        self.eps = eps
        if weight.ndim > 1:
            with no_grad():
                matrix = as_matrix(weight.detach(), self.dim)
                self.register_buffer("_u", drawn(matrix.shape[0], weight, eps))
                self.register_buffer("_v", drawn(matrix.shape[1], weight, eps))
                self._iterate(matrix, _FIRST)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        u, v = self._u, self._v
        with no_grad():
            for _ in range(times):
                u = F.normalize(matrix.mv(v), dim=0, eps=self.eps)
                v = F.normalize(matrix.t().mv(u), dim=0, eps=self.eps)
            self._u.copy_(u)
            self._v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)  # type: ignore[no-any-return]
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # so that a second call before backward may go on from these
        return weight / u.dot(matrix.mv(v))  # type: ignore[no-any-return]

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself, though it may be divided again."""
        return value


def parametrized(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide the parameter ``name`` by its largest singular value whenever it is read; returns the module.

    The weight is a matrix with a row for each index of ``dim``: 0, or 1 for transposed convolutions. In training mode
    each read makes ``n_power_iterations``. ArgumentError GT304 without such a parameter, or for fewer than 1 of these.
    """
    weight = module._parameters.get(name) if not parametrize.is_parametrized(module, name) else getattr(module, name)
    if not isinstance(weight, Tensor):
        raise ArgumentError("GT304", f"{type(module).__name__} has no parameter {name!r}")
    made = _SpectralNorm(weight, n_power_iterations, outputs_dim(module) if dim is None else dim, eps)
    parametrize.register_parametrization(module, name, made)
    return module


class SpectralNorm:
    """The hook of `spectral_norm`: computes the weight before every call."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = positive(n_power_iterations, "n_power_iterations")

    def compute_weight(self, module: Module, iterate: bool) -> Tensor:
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if iterate:
            with no_grad():
                u, v = self._iterated(module, matrix, u, v)
        return weight / u.dot(matrix.mv(v))  # type: ignore[no-any-return]

    def _iterated(self, module: Module, matrix: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(self.n_power_iterations):
            v = F.normalize(matrix.t().mv(u), dim=0, eps=self.eps)
            u = F.normalize(matrix.mv(v), dim=0, eps=self.eps)
        getattr(module, f"{self.name}_u").copy_(u)
        getattr(module, f"{self.name}_v").copy_(v)
        return u, v

    def __call__(self, module: Module, _args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """torch's older form: a parameter ``weight_orig`` and buffers ``weight_u``, ``weight_v``, of which every call
    computes ``weight`` first. Arguments as in `parametrizations.spectral_norm`; ArgumentError GT304 as there, and
    where it is applied already.
    """
    check(
        hook_of(module, SpectralNorm, name) is None,
        "GT304",
        f"{type(module).__name__}.{name} has a spectral_norm already",
        kind=ArgumentError,
    )
    weight = parameter_of(module, name)
    made = SpectralNorm(name, n_power_iterations, outputs_dim(module) if dim is None else dim, eps)
    with no_grad():
        sizes = as_matrix(weight.detach(), made.dim).shape
        u, v = (drawn(size, weight, eps) for size in sizes)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(made)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undo `spectral_norm`: the weight as it is computed now becomes a parameter. ArgumentError GT304 without one."""
    made = take_hook(module, SpectralNorm, name, "spectral_norm")
    with no_grad():
        weight = made.compute_weight(module, False)
    original = getattr(module, f"{name}_orig")
    for each in (name, f"{name}_u", f"{name}_v", f"{name}_orig"):
        delattr(module, each)
    original.data = weight.data
    setattr(module, name, original)
    return module
