"""Random programs of views, in-place writes and reads, to be run by graphtorch, by torch, and compiled.

A program is a list of statements over numbered tensors, drawn from a seed. Every statement is a function of a library's
tensors with names that both libraries have.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Statement:
    """Makes a tensor of others (``kind`` "view" or "read"), or writes into one ("write", "data", "no_grad")."""

    kind: str
    text: str
    run: Callable[..., Any]
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    shapes: tuple[tuple[int, ...], ...]
    statements: tuple[Statement, ...]
    outputs: tuple[int, ...]

    def __str__(self) -> str:
        lines = [f"x{i}: {list(s)}" for i, s in enumerate(self.shapes)]
        at = len(self.shapes)
        for s in self.statements:
            names = ", ".join(f"t{i}" for i in s.operands)
            made = f"t{at} = " if s.kind in ("view", "read") else ""
            at += bool(made)
            lines.append(f"{made}{s.kind}({names}): {s.text}")
        return "\n".join([*lines, f"return {', '.join(f't{i}' for i in self.outputs)}"])


def execute(program: Program, library: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of the program over ``inputs``: these are copied first, so that they may be leaves."""
    tensors = [x * 1 for x in inputs]
    for s in program.statements:
        operands = [tensors[i] for i in s.operands]
        if s.kind in ("view", "read"):
            tensors.append(s.run(*operands))
        elif s.kind == "write":
            s.run(*operands)
        else:
            with library.no_grad():
                s.run(*operands)
    return [tensors[i] * 1 for i in program.outputs]


def draw(seed: int) -> Program:
    """The program of a seed: 1 to 3 inputs, and up to 9 statements."""
    r = random.Random(seed)
    shapes = [tuple(r.choice([(3, 4), (2, 3, 5), (6,), (4, 4), (1, 5), (2, 1, 3)])) for _ in range(r.randint(1, 3))]
    known = list(shapes)
    statements: list[Statement] = []
    for _ in range(r.randint(3, 9)):
        at = r.randrange(len(known))
        kind = r.choices(["view", "write", "read", "no_grad", "data"], [8, 8, 3, 1, 1])[0]
        if kind == "view":
            made = _view(r, known[at])
            if made is not None:
                shape, text, run = made
                known.append(shape)
                statements.append(Statement("view", text, run, (at,)))
        elif kind == "read":
            number = round(r.uniform(0.5, 2), 2)
            statements.append(Statement("read", f"x * {number}", _call(lambda x, n: x * n, number), (at,)))
            known.append(known[at])
        else:
            statements.append(_write(r, kind, at, known))
    outputs = sorted(r.sample(range(len(known)), r.randint(1, len(known))))
    return Program(tuple(shapes), tuple(statements), tuple(outputs))


def _call(function: Callable[..., Any], *further: Any) -> Callable[..., Any]:
    return lambda *xs: function(*xs, *further)


def _view(r: random.Random, shape: tuple[int, ...]) -> tuple[tuple[int, ...], str, Callable[..., Any]] | None:
    ndim = len(shape)
    ways: list[tuple[str, Callable[[Any], Any]]] = [
        ("reshape(-1)", lambda x: x.reshape(-1)),
        ("unsqueeze(0)", lambda x: x.unsqueeze(0)),
        ("squeeze()", lambda x: x.squeeze()),
        ("x[...]", lambda x: x[...]),
    ]
    if ndim:
        d = r.randrange(ndim)
        i, n = r.randrange(shape[d]), shape[d]
        lo = r.randrange(n)
        count = r.randint(1, n - lo)
        step = r.randint(1, 3)
        size = r.randint(1, n)
        ways += [
            (f"select({d}, {i})", lambda x: x.select(d, i)),
            (f"narrow({d}, {lo}, {count})", lambda x: x.narrow(d, lo, count)),
            (f"[{lo}::{step}] at {d}", lambda x: x[(*(slice(None),) * d, slice(lo, None, step))]),
            (f"unfold({d}, {size}, {step})", lambda x: x.unfold(d, size, step)),
            (f"expand {d}", lambda x: x.unsqueeze(d).expand(*shape[:d], 2, *shape[d:])),
        ]
    if ndim >= 2:
        a, b = r.sample(range(ndim), 2)
        offset = r.randint(-1, 1)
        ways += [
            (f"transpose({a}, {b})", lambda x: x.transpose(a, b)),
            (f"diagonal({offset}, {a}, {b})", lambda x: x.diagonal(offset, a, b)),
            (f"movedim({a}, {b})", lambda x: x.movedim(a, b)),
            ("flatten", lambda x: x.flatten()),
        ]
    text, way = r.choice(ways)
    made = way(_Shaped(np.zeros(shape)))
    return (made.a.shape, text, way) if made.a.size and made.a.size < 200 else None


def _write(r: random.Random, kind: str, at: int, known: list[tuple[int, ...]]) -> Statement:
    number = round(r.uniform(0.5, 2), 2)
    through = (lambda x: x.data) if kind == "data" else (lambda x: x)
    ways: list[tuple[str, Callable[..., Any], tuple[int, ...]]] = [
        (f"mul_({number})", lambda x: through(x).mul_(number), (at,)),
        (f"add_({number})", lambda x: through(x).add_(number), (at,)),
        ("zero_()", lambda x: through(x).zero_(), (at,)),
        (f"fill_({number})", lambda x: through(x).fill_(number), (at,)),
        ("sin_()", lambda x: through(x).sin_(), (at,)),
        (f"x[...] = {number}", lambda x: through(x).__setitem__(Ellipsis, number), (at,)),
    ]
    same = [i for i, s in enumerate(known) if s == known[at]]
    other = r.choice(same)
    ways += [
        ("mul_(other)", lambda x, y: through(x).mul_(y), (at, other)),
        ("add_(other)", lambda x, y: through(x).add_(y), (at, other)),
        ("copy_(other * 2)", lambda x, y: through(x).copy_(y * 2), (at, other)),
    ]
    if known[at]:
        n = known[at][0]
        i = r.randrange(n)
        ways.append((f"x[{i}] += {number}", lambda x: _add_at(through(x), i, number), (at,)))
        ways.append((f"x[{i}:] = x[{i}:] * {number}", lambda x: _scale_from(through(x), i, number), (at,)))
    text, way, operands = r.choice(ways)
    return Statement(kind, text, way, operands)


def _add_at(x: Any, i: int, number: float) -> None:
    x[i] += number


def _scale_from(x: Any, i: int, number: float) -> None:
    x[i:] = x[i:] * number


class _Shaped:
    """A numpy array with torch's view methods: how a drawn view changes shapes."""

    def __init__(self, a: Array) -> None:
        self.a = a

    def __getitem__(self, index: Any) -> _Shaped:
        return _Shaped(self.a[index])

    def reshape(self, *shape: int) -> _Shaped:
        return _Shaped(self.a.reshape(*shape))

    def flatten(self) -> _Shaped:
        return self.reshape(-1)

    def unsqueeze(self, d: int) -> _Shaped:
        return _Shaped(np.expand_dims(self.a, d))

    def squeeze(self) -> _Shaped:
        return _Shaped(self.a.squeeze())

    def select(self, d: int, i: int) -> _Shaped:
        return _Shaped(self.a.take(i, d))

    def narrow(self, d: int, lo: int, n: int) -> _Shaped:
        return _Shaped(self.a.take(range(lo, lo + n), d))

    def expand(self, *shape: int) -> _Shaped:
        return _Shaped(np.broadcast_to(self.a, shape))

    def transpose(self, a: int, b: int) -> _Shaped:
        return _Shaped(self.a.swapaxes(a, b))

    def movedim(self, a: int, b: int) -> _Shaped:
        return _Shaped(np.moveaxis(self.a, a, b))

    def diagonal(self, offset: int, a: int, b: int) -> _Shaped:
        return _Shaped(self.a.diagonal(offset, a, b))

    def unfold(self, d: int, size: int, step: int) -> _Shaped:
        return _Shaped(
            np.moveaxis(np.lib.stride_tricks.sliding_window_view(self.a, size, d), d, d)[
                (*(slice(None),) * d, slice(None, None, step))
            ]
        )
