"""The default generator and creation with random numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from graphtorch.frontend import drawing
from graphtorch.frontend.placement import placing
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir import bind
from graphtorch.ir.device import device
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.ops.common import as_int, sizes
from graphtorch.ir.ops.random import philox, random_uniform
from graphtorch.ir.types import DType, defaults, float64, greatest, int64, least
from graphtorch.runtime.cuda_array import on_gpu


class Generator:
    """A Philox stream. ``state`` is a tensor, int64[2] = (seed, stream), so that compiled programs carry it on."""

    def __init__(self) -> None:
        self.state = as_tensor_of(np.array([int.from_bytes(os.urandom(8), "little") >> 1, 0], np.int64))
        self._step = as_tensor_of(np.array([0, 1], np.int64))

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of ``seed`` anew."""
        seed = as_int(seed, "seed") & 0xFFFFFFFFFFFFFFFF
        start = np.array([seed - 2**64 if seed >= 2**63 else seed, 0], np.int64)
        self.state.copy_(as_tensor_of(start))  # an op, so that a program that seeds does so at every call
        return self

    def move_to(self, place: device) -> None:
        """Draw there from now on."""
        from graphtorch.frontend.placement import move_in_place

        for t in (self.state, self._step):
            move_in_place(t, place)

    def seed(self) -> int:
        """Start a stream that nobody chose, and give its seed; a trace refuses it (TraceError GT609)."""
        chosen = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(chosen)
        return chosen

    def initial_seed(self) -> int:
        """The seed, as a number of 64 bits without a sign."""
        return int(self.state[0].item()) % 2**64

    def get_state(self) -> Tensor:
        """A copy of the state."""
        return self.state.clone()  # type: ignore[no-any-return]

    def set_state(self, state: Tensor) -> None:
        """Go on from a state that `get_state` gave; ArgumentError GT304 for what cannot be one."""
        check(
            state.shape == (2,) and state.dtype == int64,
            "GT304",
            "this is not the state of a generator",
            f"expected what get_state() gives, int64[2], got {state.aval}",
            kind=ArgumentError,
        )
        self.state.copy_(state)

    def uniform(self, shape: tuple[int, ...], dtype: DType) -> Tensor:
        """The next draw of the stream, uniform in [0, 1). Where tensors are made on a GPU the default generator's are
        drawn there, from a stream of its own with the same seed."""
        if self is default_generator:
            place = bind.current().place()
            if place is not None and place.index is not None:
                return generator_on(place.index).uniform(shape, dtype)
        if not on_gpu(self.state._data) and drawing.native(prod(shape), dtype):
            out = drawing.uniform(self.state, shape)
        else:
            out = bind.bind(random_uniform, self.state, shape=shape, dtype=dtype)
        self.state.copy_(self.state + self._step)
        return out

    def number(self) -> float:
        """The next draw of the stream as Python's number: ``uniform((), float64).item()`` without the work of ops."""
        if bind.current().tracing:
            return float(self.uniform((), float64).item())
        state = self.state._array
        word = philox(int(state[0]), int(state[1]), 1)[0, 0]
        state[1:] += 1
        return int(word) * 2.0**-32


default_generator = Generator()


#: of each GPU that was drawn on
_of_gpus: dict[int, Generator] = {}


def generator_on(index: int) -> Generator:
    """The default generator of a GPU. At first it has the seed of the CPU's, and starts its stream anew."""
    found = _of_gpus.get(index)
    if found is None:
        with bind.suspended():
            found = Generator()
            found.manual_seed(default_generator.initial_seed())
            found.move_to(device("cuda", index))
        _of_gpus[index] = found
    return found


def seed_gpus(seed: int, indices: Any = None) -> None:
    """Seed the generators of these GPUs, or of all that were drawn on; others follow the CPU's."""
    for index in list(_of_gpus) if indices is None else indices:
        generator_on(index).manual_seed(seed)


def manual_seed(seed: int) -> Generator:
    """Seed the default generators, of every device; the same seed gives the same numbers, eager and compiled, on the
    CPU and on a GPU."""
    seed_gpus(seed)
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator with a number that nobody chose; that number."""
    return default_generator.seed()


def get_rng_state() -> Tensor:
    """A copy of the default generator's state, int64[2]; torch's, of another generator, is uint8[5056]."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Go on from a state that `get_rng_state` gave; ArgumentError GT304 for what cannot be one."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: Any = None) -> Iterator[None]:
    """The default generator has after the block the state that it had before, unless ``enabled`` is False.

    ``devices`` and ``device_type`` name GPUs in torch; there are none here.
    """
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)


def stream_of(generator: Generator | None) -> Generator:
    """``generator``, or the default one for None; ArgumentTypeError GT301 for what is neither."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        kind = type(generator).__name__
        expected = "expected a graphtorch.Generator, which has a seed: gt.Generator().manual_seed(0)"
        raise ArgumentTypeError("GT301", f"generator must be a Generator, got {kind} {generator!r}", [expected])
    return generator


@placing
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1)."""
    out = stream_of(generator).uniform(sizes(size), dtype or defaults.dtype)
    return out.requires_grad_() if requires_grad else out


@placing
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal, by the method of Box and Muller (1958) from two uniform draws."""
    shape, dtype, stream = sizes(size), dtype or defaults.dtype, stream_of(generator)
    first, second = stream.uniform(shape, dtype), stream.uniform(shape, dtype)
    if not on_gpu(first._data) and drawing.native(prod(shape), dtype):
        out = drawing.normal(first, second)
    else:
        out = ((1 - first).log() * -2).sqrt() * (second * (2 * np.pi)).cos()
    return out.requires_grad_() if requires_grad else out


@placing
def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [low, high), int64 unless ``dtype`` says otherwise; ``randint(high, size)`` starts at 0."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, list | tuple):
        raise ArgumentTypeError("GT301", f"size must be a tuple of ints, got {type(size).__name__} {size!r}")
    span = as_int(high, "high") - as_int(low, "low")
    check(span > 0, "GT304", f"high={high} is not allowed", f"expected high > low={low}", kind=ArgumentError)
    dtype = dtype or int64
    if dtype.kind != "f":
        _check_bounds(low, high, dtype)
    drawn = stream_of(generator).uniform(sizes((size,)), float64)
    out: Tensor = ((drawn * span).to(int64) + low).to(dtype)
    return out.requires_grad_() if requires_grad else out


def _check_bounds(low: int, high: int, dtype: DType) -> None:
    check(
        low >= least(dtype) and high - 1 <= greatest(dtype),
        "GT304",
        f"low={low}, high={high} are not allowed with {dtype!r}",
        f"expected {least(dtype)} <= low and high <= {greatest(dtype) + 1}",
        kind=ArgumentError,
    )


@placing
def randperm(n: int, *, generator: Generator | None = None, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A random order of 0..n-1, int64 unless ``dtype`` says otherwise: that of n uniform draws."""
    count = as_int(n, "n")
    check(count >= 0, "GT304", f"n={count} is not allowed", "expected n >= 0", kind=ArgumentError)
    drawn = stream_of(generator).uniform((count,), float64)
    if drawn._data is not None:  # a GPU has no kernel that sorts
        order: Tensor = drawn.cpu().argsort(stable=True)
        return order.to(dtype or int64).to(drawn.device)
    return drawn.argsort(stable=True).to(dtype or int64)  # type: ignore[no-any-return]
