"""What `gt.check` found: the problems, and the layers with the sizes that go through them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from graphtorch.frontend.diagnosis.called import ModuleCall
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.nn.loss import Loss
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Uninitialized

#: rows around a problem that are shown with it
_BEFORE, _AFTER = 6, 2
_HEADINGS = ("layer", "kind", "input", "output", "parameters", "")


@dataclass(frozen=True)
class Row:
    """A call of a layer, as the table shows it; ``codes`` of the problems in it."""

    layer: str
    kind: str
    input: str
    output: str
    parameters: int
    codes: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.layer,
            self.kind,
            self.input,
            self.output,
            f"{self.parameters:,}",
            "<- " + ", ".join(self.codes) if self.codes else "",
        )


class Report:
    """The result of `gt.check`: true where it found nothing to mend (notes aside).

    ``problems``: errors first, then warnings, then notes. ``print(report)`` shows them, below the layers around each.
    """

    def __init__(
        self, name: str, problems: Sequence[Problem], calls: Sequence[ModuleCall], model: Module | None
    ) -> None:
        self.name = name
        self.problems = list(problems)
        self._rows = _rows(calls, self.problems)
        self._count = sum(elements(model, calls)) if model is not None else None

    def __bool__(self) -> bool:
        return not (self.errors or self.warnings)

    @property
    def errors(self) -> list[Problem]:
        """What cannot run or cannot train."""
        return [p for p in self.problems if p.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """What runs, and hardly does what was meant."""
        return [p for p in self.problems if p.severity == "warning"]

    @property
    def notes(self) -> list[Problem]:
        """What may happen."""
        return [p for p in self.problems if p.severity == "note"]

    @property
    def rows(self) -> list[Row]:
        """The layers in the order in which they run; after a problem, as if that had been mended."""
        return self._rows

    def table(self) -> str:
        """All layers, with the shapes that go in and out, their own parameters, and the codes of problems."""
        return aligned([_HEADINGS, *(row.cells for row in self._rows)])

    def __str__(self) -> str:
        parts = [self._summary()]
        excerpt = self._excerpt()
        if excerpt:
            parts.append(excerpt)
        return "\n\n".join([*parts, *map(str, self.problems)])

    __repr__ = __str__

    def raise_first(self) -> None:
        """Raise the first error, or where there is none the first warning as an error; nothing for a clean report."""
        for problem in (*self.errors, *self.warnings):
            raise problem.error

    def to_json(self) -> str:
        """The report as JSON text: name, ok, problems, layers."""
        layers = [
            {"layer": r.layer, "kind": r.kind, "input": r.input, "output": r.output, "parameters": r.parameters,
             "codes": list(r.codes)}
            for r in self._rows
        ]  # fmt: skip
        problems = [p.to_json() for p in self.problems]
        return json.dumps({"name": self.name, "ok": bool(self), "problems": problems, "layers": layers})

    def _summary(self) -> str:
        kinds = [("error", self.errors), ("warning", self.warnings), ("note", self.notes)]
        found = [_counted(len(ps), kind) for kind, ps in kinds if ps]
        size = f", {self._count:,} parameters" if self._count is not None else ""
        return f"{self.name}: {', '.join(found) or 'no problems'} ({_counted(len(self._rows), 'layer call')}{size})"

    def _excerpt(self) -> str:
        """The rows around the problems, with dots for those left out."""
        at = [i for i, row in enumerate(self._rows) if row.codes]
        near = sorted({j for i in at for j in range(max(0, i - _BEFORE), min(len(self._rows), i + _AFTER + 1))})
        lines = self.table().split("\n")
        out, last = [lines[0]] if near else [], -1
        for i in near:
            out += ["..."] if i != last + 1 else []
            out.append(lines[i + 1])
            last = i
        return "\n".join(out + (["..."] if near and last != len(self._rows) - 1 else []))

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{h}</th>" for h in _HEADINGS)
        import html  # notebooks alone need it

        rows = "".join(_html_row(row) for row in self._rows)
        texts = "".join(f"<pre>{html.escape(str(p))}</pre>" for p in self.problems)
        return f"<p><b>{html.escape(self._summary())}</b></p>{texts}<table><tr>{heads}</tr>{rows}</table>"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def elements(model: Module, calls: Sequence[ModuleCall]) -> Iterator[int]:
    """How many elements each parameter of the model has; those of lazy modules as the run made them."""
    seen = {key: weight.type.numel for call in calls for key, weight in call.weights.items()}
    for p in model.parameters():
        yield seen.get(id(p), 0) if isinstance(p, Uninitialized) else p.numel()


def _rows(calls: Sequence[ModuleCall], problems: Sequence[Problem]) -> list[Row]:
    """A row for each call that calls no other module, and for those with a problem of their own."""
    codes: dict[str, list[str]] = {}
    for p in problems:
        codes.setdefault(p.path, []).append(p.code)
    rows = []
    for call, after in zip_longest(calls, calls[1:]):
        is_leaf = after is None or after.depth <= call.depth
        if is_leaf or call.path in codes:
            rows.append(_row(call, tuple(codes.pop(call.path, ()))))
    return rows


def _row(call: ModuleCall, codes: tuple[str, ...]) -> Row:
    own = sum(w.type.numel for w in call.weights.values() if w.is_parameter)
    inputs, outputs = (", ".join(map(str, ts)) for ts in (call.inputs, call.outputs))
    name = call.path or ("(loss)" if isinstance(call.module, Loss) else "(model)")
    return Row(name, type(call.module).__name__, inputs, outputs or "?", own, codes)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _html_row(row: Row) -> str:
    import html

    style = ' style="background:#fdd"' if row.codes else ""
    return f"<tr{style}>" + "".join(f"<td>{html.escape(c)}</td>" for c in row.cells) + "</tr>"
