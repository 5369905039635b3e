"""einsum: sums of products by subscripts, as products of matrices.

    subscripts ::= operand ("," operand)* ["->" operand]
    operand    ::= (letter | "...")*                    blanks count for nothing; "..." at most once in each

Labels are ints here: A..Z are 0..25 and a..z 26..51, as in the lists that torch takes instead; dimensions of the
ellipsis are -1, -2, ... from the last one on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arithmetic import mul
from graphtorch.ir.ops.common import shape_of
from graphtorch.ir.ops.contract import dot
from graphtorch.ir.ops.counting import diagonal_of
from graphtorch.ir.ops.movement import permute, reshape
from graphtorch.ir.ops.reduce import sum as sum_

Labels = tuple[int, ...]
#: labels of an operand as they are written: with an Ellipsis in them
Written = Sequence[Any]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _refuse(good: bool, message: str, *facts: str) -> None:
    check(good, "GT304", message, *facts, kind=ArgumentError)


def _letter(label: int) -> str:
    return LETTERS[label] if label >= 0 else "..."


# ---- subscripts -----------------------------------------------------------------------------------


def _parse(text: str, where: str) -> list[Any]:
    """The labels of one operand."""
    found: list[Any] = []
    rest = text.replace("...", "\0")
    for c in rest.replace(" ", ""):
        _refuse(c == "\0" or c in LETTERS, f"{c!r} in {where} is no subscript", "expected letters, '...', ',' and '->'")
        found.append(Ellipsis if c == "\0" else LETTERS.index(c))
    return found


def _from_equation(equation: str, operands: Sequence[Any]) -> tuple[list[Written], Written | None]:
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    _refuse(
        len(parts) == len(operands),
        f"the equation has subscripts for {len(parts)} operands, and there are {len(operands)}",
        f"equation {equation!r}",
    )
    return [_parse(p, f"operand {i}") for i, p in enumerate(parts)], _parse(right, "the output") if arrow else None


def _from_lists(args: Sequence[Any]) -> tuple[list[Any], list[Written], Written | None]:
    """(operands, their labels, those of the output) of ``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""
    output = args[-1] if len(args) % 2 else None
    operands, lists = list(args[: len(args) // 2 * 2 : 2]), list(args[1 : len(args) // 2 * 2 : 2])
    for labels in (*lists, *([output] if output is not None else [])):
        check(
            isinstance(labels, list | tuple) and all(n is Ellipsis or isinstance(n, int) for n in labels),
            "GT301",
            f"subscripts must be a list of ints and ..., got {labels!r}",
            "expected einsum(equation, *operands) or einsum(operand, subscripts, ..., [output])",
            kind=ArgumentTypeError,
        )
        wrong = [n for n in labels if n is not Ellipsis and not 0 <= n < len(LETTERS)]
        _refuse(not wrong, f"{wrong[:1]} is no subscript", f"expected ints from 0 to {len(LETTERS) - 1}")
    return operands, lists, output


def _spelled(written: Written, ndim: int, where: str) -> Labels:
    """Labels for all ``ndim`` dimensions of an operand."""
    _refuse(written.count(Ellipsis) <= 1, f"several '...' in {where}", "expected at most one")
    named = len(written) - written.count(Ellipsis)
    fits = named <= ndim if Ellipsis in written else named == ndim
    _refuse(fits, f"{where} has {named} subscripts and {ndim} dimensions", "expected one for each, or '...'")
    return _with_ellipsis(written, ndim - named)


def _with_ellipsis(written: Written, count: int) -> Labels:
    out: list[int] = []
    for label in written:
        out += range(-count, 0) if label is Ellipsis else (label,)
    return tuple(out)


def _output(written: Written | None, inputs: Sequence[Labels]) -> Labels:
    """The output's labels; those that occur once, in order, behind the ellipsis, where it is not written."""
    counts = Counter(label for labels in inputs for label in labels)
    wide = max((-label for label in counts if label < 0), default=0)
    if written is None:
        return (*range(-wide, 0), *sorted(n for n, count in counts.items() if n >= 0 and count == 1))
    _refuse(written.count(Ellipsis) <= 1, "several '...' in the output", "expected at most one")
    found = _with_ellipsis(written, wide)
    for label, count in Counter(found).items():
        _refuse(count == 1, f"the output has the subscript {_letter(label)!r} {count} times", "expected it once")
        _refuse(
            label in counts, f"the output's subscript {_letter(label)!r} is in no operand", "expected one of theirs"
        )
    return found


# ---- contraction ----------------------------------------------------------------------------------


class _Term(NamedTuple):
    """A tensor, and a distinct label for each of its dimensions."""

    x: Any
    labels: Labels

    def size(self, label: int) -> int:
        return shape_of(self.x)[self.labels.index(label)]

    def ordered(self, labels: Sequence[int]) -> Any:
        """The tensor with its dimensions in this order."""
        if tuple(labels) == self.labels:
            return self.x
        return permute(self.x, tuple(self.labels.index(n) for n in labels))

    def without(self, labels: Iterable[int]) -> _Term:
        """Summed over these."""
        gone = set(labels)
        if not gone:
            return self
        left = tuple(n for n in self.labels if n not in gone)
        return _Term(sum_(self.x, tuple(d for d, n in enumerate(self.labels) if n in gone)), left)

    def less_ones(self, sizes: dict[int, int]) -> _Term:
        """Without dimensions of size 1 that others repeat."""
        left = tuple(n for n in self.labels if self.size(n) == sizes[n])
        return self if left == self.labels else _Term(reshape(self.x, tuple(self.size(n) for n in left)), left)


def _term(x: Any, labels: Labels, where: str) -> _Term:
    """Repeated labels take the diagonal."""
    while repeated := [n for n, count in Counter(labels).items() if count > 1]:
        first = labels.index(repeated[0])
        second = labels.index(repeated[0], first + 1)
        n, m = shape_of(x)[first], shape_of(x)[second]
        _refuse(
            n == m, f"the subscript {_letter(repeated[0])!r} has sizes {n} and {m} in {where}", "expected equal sizes"
        )
        x = diagonal_of(x, first, second)
        labels = (*(label for d, label in enumerate(labels) if d not in (first, second)), repeated[0])
    return _Term(x, labels)


def _sizes(terms: Sequence[_Term]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for i, term in enumerate(terms):
        for label in term.labels:
            n, known = term.size(label), sizes.get(label, 1)
            _refuse(
                1 in (n, known) or n == known,
                f"the subscript {_letter(label)!r} has size {n} in operand {i} and {known} before",
                "expected equal sizes, or 1",
            )
            sizes[label] = known if n == 1 else n
    return sizes


def _product(a: _Term, b: _Term, wanted: Sequence[int]) -> _Term:
    """The product of two, summed over what nobody wants: one product of matrices, or of elements.

    Its dimensions are those of both that stay, then those of one operand, then those of the other: that one first
    whose dimensions come first in ``wanted``.
    """
    a, b = (x.without(n for n in x.labels if n not in wanted and n not in y.labels) for x, y in ((a, b), (b, a)))
    batch = [n for n in wanted if n in a.labels and n in b.labels]
    summed = [n for n in a.labels if n in b.labels and n not in wanted]
    own = next((n for n in wanted if (n in a.labels) != (n in b.labels)), None)
    if own is not None and own in b.labels:
        a, b = b, a
    rows, columns = ([n for n in wanted if n in x.labels and n not in batch] for x in (a, b))
    labels = (*batch, *rows, *columns)
    lead = [a.size(n) for n in batch]
    shapes = [a.size(n) for n in rows], [b.size(n) for n in columns]
    if not summed:
        left = reshape(a.ordered([*batch, *rows]), (*lead, *shapes[0], *(1 for _ in columns)))
        right = reshape(b.ordered([*batch, *columns]), (*lead, *(1 for _ in rows), *shapes[1]))
        return _Term(mul(left, right), labels)
    k = math.prod(a.size(n) for n in summed)
    left = reshape(a.ordered([*batch, *rows, *summed]), (*lead, math.prod(shapes[0]), k))
    right = reshape(b.ordered([*batch, *summed, *columns]), (*lead, k, math.prod(shapes[1])))
    return _Term(reshape(dot(left, right), (*lead, *shapes[0], *shapes[1])), labels)


def _next_pair(terms: Sequence[_Term], output: Labels) -> tuple[int, int]:
    """Whose product makes what is left smallest: its size, less those of the two."""

    def growth(pair: tuple[int, int]) -> int:
        i, j = pair
        others = {n for k, t in enumerate(terms) if k not in pair for n in t.labels} | set(output)
        both = dict.fromkeys((*terms[i].labels, *terms[j].labels))
        sizes = {n: t.size(n) for t in (terms[i], terms[j]) for n in t.labels}
        made = math.prod(sizes[n] for n in both if n in others)
        return made - sum(math.prod(shape_of(terms[k].x)) for k in pair)

    return min(combinations(range(len(terms)), 2), key=growth)


@composite("gt")
def einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products of the operands' elements by Einstein's convention.

    ``einsum("bij,bjk->bik", x, y)``: a subscript for each dimension; what the output does not have is summed over. A
    subscript that an operand has twice takes the diagonal. "..." stands for dimensions that broadcast. Without "->" the
    output has those, and then the subscripts that occur once, in order, capital letters first. Operands may come in
    one list, and subscripts as lists of ints: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``. Several operands are
    contracted pair by pair, those first that leave the least.
    """
    if isinstance(equation, str):
        given = operands[0] if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
        _refuse(bool(given), "einsum needs at least one operand", f"equation {equation!r}")
        written, end = _from_equation(equation, given)
    else:
        given, written, end = _from_lists((equation, *operands))
        _refuse(bool(given), "einsum needs an equation, or operands and lists of subscripts", f"got {equation!r}")
    names = [_spelled(w, len(shape_of(x)), f"operand {i}") for i, (w, x) in enumerate(zip(written, given, strict=True))]
    output = _output(end, names)
    terms = [_term(x, labels, f"operand {i}") for i, (x, labels) in enumerate(zip(given, names, strict=True))]
    sizes = _sizes(terms)
    terms = [t.less_ones(sizes) for t in terms] if len(terms) > 1 else terms
    while len(terms) > 1:
        i, j = _next_pair(terms, output)
        rest = [t for k, t in enumerate(terms) if k not in (i, j)]
        needed = dict.fromkeys((*output, *(n for t in rest for n in t.labels)))
        terms = [*rest, _product(terms[i], terms[j], list(needed))]
    (term,) = terms
    return term.without(n for n in term.labels if n not in output).ordered(output)
