"""Random numbers written into tensors, from the default generator unless another is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import require_float
from graphtorch.ir.types import DType, float32, float64, greatest, int64

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class RandomInPlace(TensorBase):
    """Draws of a tensor's own shape; outside of autograd, as any value that is written."""

    def _draw(self, generator: Any, dtype: DType | None = None) -> Tensor:
        from graphtorch.frontend.random import rand  # which makes tensors

        return rand(self.shape, generator=generator, dtype=dtype or self.dtype)

    def uniform_(self, from_: float = 0.0, to: float = 1.0, *, generator: Any = None, **given: float) -> Tensor:
        """Uniform in [from, to). The first is a keyword of Python: it is given by position, or as ``**{"from": 0}``.

        DTypeError GT202 for integers, ArgumentError GT304 unless from <= to.
        """
        low = given.pop("from", from_)
        check(not given, "GT301", f"{', '.join(given)}: no such argument", "expected from and to", kind=ArgumentError)
        self._prepare("uniform_")
        check(low <= to, "GT304", f"from={low}, to={to} are not allowed", "expected from <= to", kind=ArgumentError)
        return self._assign(self._draw(generator) * (to - low) + low, "value", "uniform_")  # type: ignore[no-any-return]

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
        """Normal with ``mean`` and ``std`` (>= 0, ArgumentError GT304); DTypeError GT202 for integers."""
        from graphtorch.frontend.random import randn

        self._prepare("normal_")
        check(std >= 0, "GT304", f"std={std} is not allowed", "expected std >= 0", kind=ArgumentError)
        drawn = randn(self.shape, generator=generator, dtype=self.dtype)
        return self._assign(drawn * std + mean, "value", "normal_")  # type: ignore[no-any-return]

    def exponential_(self, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
        """Exponential with rate ``lambd`` (> 0, ArgumentError GT304); DTypeError GT202 for integers."""
        self._prepare("exponential_")
        check(lambd > 0, "GT304", f"lambd={lambd} is not allowed", "expected lambd > 0", kind=ArgumentError)
        drawn: Any = PUBLIC["gt"]["log1p"](-self._draw(generator))
        return self._assign(drawn * (-1 / lambd), "value", "exponential_")  # type: ignore[no-any-return]

    def bernoulli_(self, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        """1 with probability ``p``, a number in [0, 1] or a tensor of such that broadcasts; else 0. Any dtype."""
        interpreter().check_write(self, "bernoulli_")
        if not isinstance(p, TensorBase):
            check(0 <= p <= 1, "GT304", f"p={p} is not allowed", "expected 0 <= p <= 1", kind=ArgumentError)
        drawn: Any = self._draw(generator, self.dtype if self.dtype.kind == "f" else float32)
        return self._assign(drawn < p, "value", "bernoulli_")  # type: ignore[no-any-return]

    def random_(self, from_: int = 0, to: int | None = None, *, generator: Any = None, **given: int) -> Tensor:
        """Whole numbers, uniform in [from, to); ``random_(to)`` starts at 0, and ``random_()`` goes as far as the dtype
        holds every whole number. ArgumentError GT304 unless from < to."""
        low = given.pop("from", from_)
        check(not given, "GT301", f"{', '.join(given)}: no such argument", "expected from and to", kind=ArgumentError)
        interpreter().check_write(self, "random_")
        if to is None:
            low, to = (0, low) if low else (0, _end(self.dtype))
        check(low < to, "GT304", f"from={low}, to={to} are not allowed", "expected from < to", kind=ArgumentError)
        drawn: Any = (self._draw(generator, float64) * (to - low)).to(int64) + low
        return self._assign(drawn, "value", "random_")  # type: ignore[no-any-return]

    def _prepare(self, name: str) -> None:
        interpreter().check_write(self, name)
        require_float(self.aval, f"the tensor of {name}")


def _end(dtype: DType) -> int:
    """One more than the greatest number up to which a dtype holds every whole number; 2**62 of 64 bits."""
    if dtype.kind == "b":
        return 2
    if dtype.kind == "f":
        return 1 << (24 if dtype == float32 else 53)
    return min(greatest(dtype), 1 << 62) + 1
