"""Orthogonal weights, by maps from all matrices onto them.

M. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", NeurIPS 2019. Maps are computed in
float64: what rounding in float32 would cost of orthogonality is more than a weight can spare.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.control_flow import scan
from graphtorch.frontend.nn import parametrize
from graphtorch.frontend.nn.arguments import one_of
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.random import randn
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ShapeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType, float64

M = TypeVar("M", bound=Module)
#: of exp: how often the argument is halved, and terms of the series; good to float64 for norms up to 64
_HALVINGS, _TERMS = 6, 18


def matrix_exp(a: Tensor) -> Tensor:
    """exp of a square matrix, by scaling and squaring: the series of ``a / 2**6``, squared 6 times."""
    eye = PUBLIC["gt"]["eye"](a.shape[-1], dtype=a.dtype)
    scaled, out = a / 2**_HALVINGS, eye
    for k in range(_TERMS, 0, -1):  # Horner
        out = eye + scaled @ out / k
    for _ in range(_HALVINGS):
        out = out @ out
    return out  # type: ignore[no-any-return]


def householder_product(v: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of the reflections 1 - tau[i] v[:, i] v[:, i]^T: [n, k] of [n, k] and [k]."""
    n, k = v.shape
    start = PUBLIC["gt"]["eye"](n, k, dtype=v.dtype)

    def reflect(q: Tensor, step: Any) -> tuple[Tensor, None]:
        column, factor = step
        return q - factor * column.unsqueeze(1) * (column @ q), None

    return scan(reflect, start, (v.t(), tau), reverse=True)[0]  # type: ignore[no-any-return]


class _Orthogonal(Module):
    """A matrix of any numbers to one with orthonormal columns (or rows, where there are fewer of these)."""

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool = True) -> None:
        super().__init__()
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[0] < X.shape[1]
        x = (X.t() if wide else X).to(float64)
        q = (self._exp if self.orthogonal_map == "matrix_exp" else self._reflections)(x).to(X.dtype)
        if self.use_trivialization:
            q = self.base @ q
        return q.t() if wide else q

    def _exp(self, x: Tensor) -> Tensor:
        n, k = x.shape
        lower = x.tril()
        if n != k:
            lower = PUBLIC["gt"]["cat"]([lower, PUBLIC["gt"]["zeros"](n, n - k, dtype=x.dtype)], -1)
        return matrix_exp(lower - lower.t())[:, :k]

    def _reflections(self, x: Tensor) -> Tensor:
        k = x.shape[1]
        v = x.tril(-1) + PUBLIC["gt"]["eye"](*x.shape, dtype=x.dtype)
        tau = 2 / (v * v).sum(0)
        signs = x.detach()[:k].diagonal().trunc()
        return householder_product(v, tau) * signs  # type: ignore[no-any-return]

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What gives ``Q``, or the orthogonal matrix of its QR decomposition. Eager: it is no part of programs."""
        wide = Q.shape[0] < Q.shape[1]
        q = Q.detach().to(float64).numpy()
        q = q.T if wide else q
        found = self._based(q, Q.dtype) if self.use_trivialization else self._reflectors(q)
        made = PUBLIC["gt"]["as_tensor"](np.ascontiguousarray(found.T if wide else found))
        return made.to(Q.dtype)  # type: ignore[no-any-return]

    def _based(self, q: Any, dtype: DType) -> Any:
        """The matrix becomes the base, and what is trained -1, which both maps take to the identity."""
        n, k = q.shape
        if n != k:
            q = np.concatenate([q, randn(n, n - k).to(float64).numpy()], -1)
        orthogonal, r = np.linalg.qr(q)
        if not np.allclose(q.T @ q, np.eye(n), atol=1e-6):
            q = orthogonal * np.sign(np.diagonal(r))
        self.base = PUBLIC["gt"]["as_tensor"](np.ascontiguousarray(q)).to(dtype)
        return -np.eye(n, k)

    def _reflectors(self, q: Any) -> Any:
        """The reflections of the QR decomposition below the diagonal, and signs on it."""
        if self.orthogonal_map != "householder":
            raise NotImplementedError("only reflections have an inverse without a base")
        raw, tau = np.linalg.qr(q, mode="raw")
        found = raw.T.copy()
        on = np.arange(found.shape[1])
        found[on, on] = np.where(tau == 0, -1.0, 1.0) * np.sign(found[on, on])
        return found


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """Keep the parameter ``name``, a matrix, orthogonal while it is trained; returns the module.

    Columns are orthonormal, or rows where there are fewer of these. ``orthogonal_map``: "matrix_exp" (the default for
    square matrices) or "householder"; torch's "cayley" is not here. ``use_trivialization`` keeps the matrix that there
    is in a buffer ``base``, which is multiplied; without it "matrix_exp" begins elsewhere. Without an orthogonal one it
    begins with that of the weight's QR decomposition. ArgumentError GT304 for other maps or no parameter, ShapeError
    GT107 for a tensor of other than 2 dimensions.
    """
    weight = module._parameters.get(name)
    if weight is None:
        raise ArgumentError("GT304", f"{type(module).__name__} has no parameter {name!r}")
    check(weight.ndim == 2, "GT107", f"{name} must be a matrix", f"got {weight.aval}", kind=ShapeError)
    square = weight.shape[0] == weight.shape[1]
    chosen = ("matrix_exp" if square else "householder") if orthogonal_map is None else orthogonal_map
    one_of(chosen, "orthogonal_map", "matrix_exp", "householder")
    with no_grad():
        made = _Orthogonal(weight, chosen, use_trivialization)
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module
