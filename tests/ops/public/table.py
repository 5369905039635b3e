"""The table of public functions: how each is called, by which formula it is known, and what it refuses.

A family of ops has a file beside this one that calls `row` for each of them. test_public*.py walk all rows: eager
against the formula in float64 and against torch, over strided operands; gradients, and gradients of gradients, by
finite differences; the same compiled; refusals. Sizes in a call never repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Call:
    """Arguments; numpy arrays in them, also in lists and tuples, become tensors.

    ``smooth``: finite differences of the floating arrays make sense (no kinks, no nan, no ties). ``twice``: of the
    gradients, too. ``torch``: whether torch takes the call. ``compiled``: whether gt.compile does; a text says what
    the TraceError says where it does not. ``strided``: whether operands may lie in memory in any order.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    smooth: bool = False
    twice: bool = True
    torch: bool = True
    strided: bool = True
    compiled: bool | str = True


def call(*args: Any, **kwargs: Any) -> Call:
    """A call whose numbers alone are compared."""
    return Call(args, kwargs)


def smooth(*args: Any, **kwargs: Any) -> Call:
    """A call that is differentiable twice where it is made."""
    return Call(args, kwargs, smooth=True)


def in_order(made: Call) -> Call:
    """The call of a view that there is for operands without gaps in memory alone."""
    return replace(made, strided=False)


@dataclass(frozen=True, eq=False)
class Refusal:
    """A call, and a part of what its error says (a regular expression). ``torch``: whether torch refuses, too."""

    call: Call
    match: str
    torch: bool = True


def refuse(match: str, *args: Any, **kwargs: Any) -> Refusal:
    return Refusal(Call(args, kwargs), match)


@dataclass(frozen=True, eq=False)
class Row:
    """``name``: "gt.roll", "F.glu", "Tensor.unfold". ``formula`` takes what the function does, with numpy arrays, those
    of floats in float64, and gives numpy arrays, alone or in a tuple. ``rtol``: of results in float32 against it."""

    name: str
    formula: Callable[..., Any]
    calls: Sequence[Call]
    refused: Sequence[Refusal]
    rtol: float = 2e-5
    atol: float = 2e-6

    def function(self, library: Any) -> Callable[..., Any]:
        """The function in ``library``: graphtorch or torch."""
        space, _, name = self.name.partition(".")
        owner = {"gt": library, "F": library.nn.functional, "Tensor": library.Tensor}.get(space)
        owner = getattr(library, space) if owner is None else owner
        return getattr(owner, name)  # type: ignore[no-any-return]


ROWS: dict[str, Row] = {}


def row(name: str, formula: Callable[..., Any], *calls: Call | Refusal, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    """Enter a function. Among ``calls`` stands at least one that works, and one that is refused."""
    if name in ROWS:
        raise ValueError(f"{name} has two rows")
    good = [c for c in calls if isinstance(c, Call)]
    ROWS[name] = Row(name, formula, good, [c for c in calls if isinstance(c, Refusal)], rtol, atol)


# ---- arrays ---------------------------------------------------------------------------------------


def map_arrays(f: Callable[[Array], Any], x: Any) -> Any:
    """``x`` with every array in it, also in lists and tuples, replaced."""
    if isinstance(x, np.ndarray):
        return f(x)
    if type(x) in (list, tuple):
        return type(x)(map_arrays(f, v) for v in x)
    return x


def arrays_of(x: Any) -> Iterator[Array]:
    """The arrays in arguments or results, in order."""
    if isinstance(x, np.ndarray | np.generic):
        yield np.asarray(x)
    elif isinstance(x, list | tuple):
        for v in x:
            yield from arrays_of(v)
    elif isinstance(x, dict):
        yield from arrays_of(list(x.values()))


def spread(a: Array) -> Array:
    """Equal elements, in reverse order of dimensions in memory, and with gaps."""
    if not a.ndim:
        return a
    wide = np.zeros(tuple(2 * n for n in reversed(a.shape)), a.dtype)
    view = wide[(*(slice(None, None, 2) for _ in a.shape), ...)].transpose()
    view[...] = a
    return view  # type: ignore[no-any-return]


def wide(a: Array) -> Array:
    """Floats as float64."""
    return a.astype(np.float64) if a.dtype.kind == "f" else a
