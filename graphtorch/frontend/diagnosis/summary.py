"""`gt.summary`: the layers of a model with what comes out of them, and what all of it weighs. Nothing is computed."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.called import ModuleCall, Weight
from graphtorch.frontend.diagnosis.report import aligned
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.spec import TensorSpec
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tree import leaves
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import TensorType

_HEADINGS = ("layer", "kind", "output", "parameters")


@dataclass(frozen=True)
class SummaryRow:
    """A call of a module: its path, depth and class, the types that it gives, and the elements of the parameters that
    it holds itself and that no row above has counted. ``again``: all of those that it holds were counted above."""

    layer: str
    depth: int
    kind: str
    outputs: tuple[TensorType, ...]
    parameters: int
    again: bool

    @property
    def cells(self) -> tuple[str, ...]:
        name = "  " * self.depth + (self.layer.rpartition(".")[2] or "(model)")
        count = f"{self.parameters:,}" if self.parameters else "-"
        return name, self.kind, ", ".join(map(str, self.outputs)), "(shared)" if self.again else count


class Summary:
    """What `gt.summary` found: ``print`` shows it, a notebook shows a table.

    ``rows`` are the calls of modules in their order. Totals, each tensor counted once however many modules hold it:
    ``total_params``, ``trainable_params``; in bytes ``param_bytes``, ``buffer_bytes``, ``input_bytes`` and
    ``output_bytes``, the results of all layers that call no other, as eager training keeps most of them.
    """

    def __init__(self, model: Module, calls: Sequence[ModuleCall], inputs: Sequence[TensorType]) -> None:
        weights = _weights(model, calls)
        trained = [w for w in weights if w.is_parameter]
        self.name = type(model).__name__
        self.rows = list(_rows(model, calls))
        self.total_params = sum(w.type.numel for w in trained)
        self.trainable_params = sum(w.type.numel for w in trained if w.requires_grad)
        self.param_bytes = _bytes(w.type for w in trained)
        self.buffer_bytes = _bytes(w.type for w in weights if not w.is_parameter)
        self.input_bytes = _bytes(inputs)
        self.output_bytes = _bytes(t for call in _innermost(calls) for t in call.outputs)

    def table(self) -> str:
        """The rows as text."""
        return aligned([_HEADINGS, *(row.cells for row in self.rows)])

    @property
    def _totals(self) -> list[tuple[str, str]]:
        frozen = self.total_params - self.trainable_params
        total = self.param_bytes + self.buffer_bytes + self.input_bytes + self.output_bytes
        return [
            ("parameters", f"{self.total_params:,} ({self.trainable_params:,} trainable, {frozen:,} frozen)"),
            ("memory of parameters and buffers", _size(self.param_bytes + self.buffer_bytes)),
            ("memory of inputs", _size(self.input_bytes)),
            ("memory of the layers' outputs", _size(self.output_bytes)),
            ("memory of all these", _size(total)),
        ]

    def __str__(self) -> str:
        return "\n".join([self.table(), "", *(f"{name}: {value}" for name, value in self._totals)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{h}</th>" for h in _HEADINGS)
        rows = "".join(_html_row(row) for row in self.rows)
        totals = "".join(f"<br>{html.escape(f'{name}: {value}')}" for name, value in self._totals)
        return f"<table><tr>{heads}</tr>{rows}</table><p><b>{html.escape(self.name)}</b>{totals}</p>"


def summary(model: Module, *inputs: Any, **kwargs: Any) -> Summary:
    """The layers of ``model``, called as ``model(*inputs, **kwargs)`` over shapes, and what they weigh.

    ``inputs`` are `TensorSpec`s or tensors, whose numbers are not looked at. No weights are made and nothing is
    computed; a lazy layer is counted as this call would make it, and stays lazy. What modules share counts once.
    ArgumentTypeError GT301 for a ``model`` that is no module; every error that a call of the model raises.

        >>> import graphtorch as gt
        >>> gt.summary(gt.nn.Sequential(gt.nn.Linear(4, 3), gt.nn.ReLU()), gt.TensorSpec((5, 4)))
        layer    kind        output    parameters
        (model)  Sequential  f32[5,3]  -
          0      Linear      f32[5,3]  15
          1      ReLU        f32[5,3]  -
        <BLANKLINE>
        parameters: 15 (15 trainable, 0 frozen)
        memory of parameters and buffers: 60 B
        memory of inputs: 80 B
        memory of the layers' outputs: 120 B
        memory of all these: 260 B
    """
    if not isinstance(model, Module):
        raise ArgumentTypeError("GT301", f"model must be a module, got {type(model).__name__}")
    seen = observe(model, inputs, kwargs)
    if seen.error is not None:
        raise seen.error
    given = [x.type if isinstance(x, TensorSpec) else x.aval for x in leaves((inputs, kwargs)) if _is_tensor(x)]
    return Summary(model, seen.calls, given)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor | TensorSpec)


def _weights(model: Module, calls: Sequence[ModuleCall]) -> list[Weight]:
    """All parameters and buffers, once each: also of modules that were not called, less what has no shape yet."""
    found = {key: w for call in calls for key, w in call.weights.items()}
    for t in (*model.parameters(), *model.buffers()):
        if not isinstance(t, Uninitialized):
            parameter = any(t is p for p in model.parameters())
            found.setdefault(id(t), Weight(t.aval, t.requires_grad, parameter))
    return list(found.values())


def _rows(model: Module, calls: Sequence[ModuleCall]) -> Iterator[SummaryRow]:
    counted: set[int] = set()
    for call in calls:
        own = {key: w for key, w in call.weights.items() if w.is_parameter}
        fresh = [w.type.numel for key, w in own.items() if key not in counted]
        counted |= own.keys()
        again = bool(own) and not fresh
        yield SummaryRow(call.path, call.depth, type(call.module).__name__, tuple(call.outputs), sum(fresh), again)
    called = {id(call.module) for call in calls}
    for path, module in model.named_modules():
        missing = [p.numel() for p in _own(module) if id(p) not in counted]
        if id(module) not in called and missing:
            counted |= {id(p) for p in _own(module)}
            yield SummaryRow(
                path, path.count(".") + 1, f"{type(module).__name__} (not called)", (), sum(missing), False
            )


def _own(module: Module) -> list[Any]:
    return [p for p in module.parameters(recurse=False) if not isinstance(p, Uninitialized)]


def _innermost(calls: Sequence[ModuleCall]) -> Iterator[ModuleCall]:
    """The calls that make no others."""
    for i, call in enumerate(calls):
        if i + 1 == len(calls) or calls[i + 1].depth <= call.depth:
            yield call


def _bytes(types: Any) -> int:
    return sum(t.numel * t.dtype.itemsize for t in types)


def _size(count: int) -> str:
    """Bytes, in the unit that suits."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:,.2f} GiB"


def _html_row(row: SummaryRow) -> str:
    name, *others = row.cells
    lead = "&nbsp;" * (len(name) - len(name.lstrip()))
    cells = [lead + html.escape(name.lstrip()), *map(html.escape, others)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
