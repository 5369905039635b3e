"""Random draws of scheduled kernels: four words of each block, where loops want neighbouring ones (ADR 17).

A vector of neighbours has words of a quarter as many blocks. So words are made before the loops that want them, in a
piece of scratch memory that stays in the first cache: block by block, four dense vectors from as many lanes of blocks.
That fits any loop whose positions are dense, wherever it begins. Any other computes a block for each of its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, takewhile

from graphtorch.codegen.kernel_ir import (
    Alloc,
    Body,
    For,
    If,
    Let,
    Stmt,
    buffers_read,
    buffers_written,
    has_parallel_loop,
    loop,
    map_exprs,
    replace_vars,
    store,
)
from graphtorch.codegen.schedule.base import bind_shared
from graphtorch.codegen.schedule.draw_ranges import Words, draws_in, stretches
from graphtorch.ir.dim import is_dynamic, surely
from graphtorch.ir.expr import (
    WORDS,
    Buffer,
    Const,
    Draw,
    Expr,
    Load,
    Memo,
    Var,
    cast,
    children,
    const,
    draw_word,
    free_vars,
    philox_keys,
    philox_words,
    slopes,
    whole,
    with_children,
)
from graphtorch.ir.types import int64, uint32

#: words that are made at a time where a longer loop is cut for them
PIECE = 512
#: vectors of words that are made side by side: the rounds of one wait for each other
SIDE_BY_SIDE = 2
_ZERO = const(0, int64)
#: a draw and what stands for it; it holds the draw, so that its id stays its own
Known = dict[int, tuple[Draw, Expr]]


def stage_draws(body: Body, lanes: int) -> Body:
    """Draws as loads of words that are made before, or else as arithmetic; ``lanes`` words are a vector."""
    return _Stager(lanes * SIDE_BY_SIDE).body(body) if draws_in(body) else body


def expand_draws(body: Body) -> Body:
    """Draws as arithmetic: a block for each word."""
    return _expanded(body) if draws_in(body) else body


# ---- where words are made -------------------------------------------------------------------------


class _Stager:
    """``width`` blocks are made at a time, where so many are wanted."""

    def __init__(self, width: int) -> None:
        self.width = width

    def body(self, stmts: Sequence[Stmt]) -> Body:
        """Words for all of the statements at once, where they are dense and few; else for each loop's body."""
        if not draws_in(stmts):
            return tuple(stmts)
        if has_parallel_loop(stmts):  # each thread makes its own
            runs = groupby(stmts, lambda s: has_parallel_loop((s,)))
            return tuple(x for parallel, run in runs for x in (self.each(run) if parallel else self.body(tuple(run))))
        made: list[Stmt] = []
        known: Known = {}
        for words in stretches(stmts):
            if words.fits():
                made += _make(words, self.width, known)
        return (*made, *self.each(map_exprs(stmts, _instead(known))))

    def each(self, stmts: Iterable[Stmt]) -> Iterator[Stmt]:
        for s in stmts:
            yield from self.inside(s)

    def inside(self, s: Stmt) -> Body:
        """A statement that had no words made for it from outside."""
        if not draws_in((s,)):
            return (s,)
        match s:
            case For(kind="for" | "par"):
                return self.pieces(s) or _lifted(_with_body(s, self.body))
            case For(kind="unroll"):
                return (_with_body(s, self.body),)
            case If() if not draws_in(_own(s)):
                return (_with_body(s, self.body),)
        return _expanded((s,))

    def pieces(self, s: For) -> Body:
        """A long loop over short stretches of words, in pieces that have words made for them; else nothing."""
        if not isinstance(s.extent, Const) or has_parallel_loop(s.body):
            return ()
        found = [(words, _step(s, words)) for words in stretches(s.body)]
        if not found or any(is_dynamic(step) or step <= 0 for _, step in found):
            return ()
        extent, size = whole(s.extent.value), PIECE // max(step for _, step in found)
        few = surely("<=", extent, size) and (s.kind == "for" or is_dynamic(extent))
        if size < 2 or few or not all(w.fits(step, size) for w, step in found):
            return ()
        size = size if is_dynamic(extent) else -(-extent // -(-extent // size))
        count, rest = divmod(extent, size)
        piece = loop("piece", count, lambda q: self.body((_part(s, q * size, size),)), s.kind)
        return (piece, *(() if surely("==", rest, 0) else self.body((_part(s, const(count * size, int64), rest),))))


def _lifted(s: Stmt) -> Body:
    """A loop, and before it what its body begins with that does not depend on it: keys."""
    if not isinstance(s, For) or s.kind != "for":
        return (s,)
    written, bound = buffers_written((s,)), {s.var}
    before: list[Stmt] = []
    for x in takewhile(lambda x: isinstance(x, Alloc | Let), s.body):
        if isinstance(x, Let) and bound.isdisjoint(free_vars(x.value)) and buffers_read((x,)).isdisjoint(written):
            before.append(x)
        elif isinstance(x, Let):
            bound.add(x.var)
    return (*before, For(s.var, s.extent, s.kind, tuple(x for x in s.body if x not in before)))


def _step(s: For, words: Words) -> int:
    """By how many words the loop moves all of them on; 0 where that is not one number."""
    steps = {(slopes(r.start, (s.var,)) or {}).get(s.var, 0) for r in words.ranges}
    return steps.pop() if len(steps) == 1 else 0


def _part(s: For, start: Expr, count: int) -> For:
    return loop(s.var.name, count, lambda i: replace_vars(s.body, {s.var: start + i}))


# ---- how words are made ---------------------------------------------------------------------------


def _make(words: Words, most_blocks: int, known: Known) -> list[Stmt]:
    """Statements that make the words in scratch memory; ``known`` gets where each draw finds its own.

    They begin with a whole block and end with a whole vector of blocks, whatever of those is wanted.
    """
    one, number = words.ranges[0], len(known)
    first = one.start + words.first
    skipped = first % WORDS
    most = int(skipped.value) if isinstance(skipped, Const) and not is_dynamic(skipped.value) else WORDS - 1
    blocks = -(-(most + words.span) // WORDS)
    width = min(most_blocks, 1 << (blocks - 1).bit_length())
    count = -(-blocks // width)
    buffer = Buffer(f"words{number}", (count * width * WORDS,), uint32)
    lets, (stream, block, skip) = _named({"stream": one.stream, "block": first // WORDS, "skip": skipped})
    keys, rounds = _keys(one.seed)
    for r in words.ranges:
        known[id(r.draw)] = r.draw, Load(buffer, (r.offset + skip + (r.first - words.first),))

    def blocks_of(start: Expr) -> list[Stmt]:
        def lane(at: Expr) -> list[Stmt]:
            found = [cast(w, uint32) for w in philox_words(rounds, stream, block + start + at)]
            inner, values = bind_shared(found, "w")
            return [*inner, *(store(buffer, ((start + at) * WORDS + i,), v) for i, v in enumerate(values))]

        return lane(_ZERO) if width == 1 else [loop("bl", width, lane, "vec")]

    making = blocks_of(_ZERO) if count == 1 else [loop("bv", count, lambda v: blocks_of(v * width))]
    return [Alloc(buffer, "thread"), *keys, *lets, *making]


def _keys(seed: Expr) -> tuple[list[Stmt], list[tuple[Expr, Expr]]]:
    """Names for what the rounds take of the key: vectors of blocks need not compute it again."""
    flat = [k for pair in philox_keys(seed) for k in pair]
    lets, out = bind_shared(flat, "key")
    named, values = _named({f"key{len(lets) + i}": k for i, k in enumerate(out)})
    return [*lets, *named], list(zip(values[::2], values[1::2], strict=True))


def _named(values: dict[str, Expr]) -> tuple[list[Stmt], list[Expr]]:
    lets: list[Stmt] = []
    out: list[Expr] = []
    for name, value in values.items():
        if isinstance(value, Var | Const):
            out.append(value)
            continue
        var = Var(name, value.dtype, WORDS if name == "skip" else None)
        lets.append(Let(var, value))
        out.append(var)
    return lets, out


def _instead(known: Known) -> Callable[[Expr], Expr]:
    """An expression with what is known of its draws."""
    memo: Memo = {}

    def instead(e: Expr) -> Expr:
        if id(e) in known:
            return known[id(e)][1]
        if id(e) not in memo:
            old = children(e)
            kids = [instead(c) for c in old]
            same_as_old = all(a is b for a, b in zip(old, kids, strict=True))
            memo[id(e)] = e, e if same_as_old else with_children(e, kids)
        return memo[id(e)][1]

    return instead


def _expanded(stmts: Sequence[Stmt]) -> Body:
    """A block for each word, computed before the statement that wants it."""
    out: list[Stmt] = []
    for s in stmts:
        known: Known = {}
        for draw in draws_in(_own(s)):
            number = len(known)
            lets, (word,) = bind_shared([_instead(known)(draw_word(draw))], f"d{number}w")
            var = Var(f"d{number}", uint32)
            out += [*lets, Let(var, word)]
            known[id(draw)] = draw, var
        out += map_exprs((_with_body(s, _expanded),), _instead(known))
    return tuple(out)


def _with_body(s: Stmt, f: Callable[[Body], Body]) -> Stmt:
    match s:
        case For():
            return For(s.var, s.extent, s.kind, f(s.body))
        case If():
            return If(s.cond, f(s.body))
    return s


def _own(s: Stmt) -> Body:
    """What stands in the statement itself."""
    return (_with_body(s, lambda _: ()),)
