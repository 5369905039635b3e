"""Recurrent layers over sequences."""

from __future__ import annotations

import math
import warnings
from typing import Any

from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import at_least, flag, number, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.packing import PackedSequence
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.nn.recurrent import CELLS, Cell, State, Weights, steps
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, DTypeError, check, not_a_tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType

_NAMES = ("weight_ih_l{}{}", "weight_hh_l{}{}", "bias_ih_l{}{}", "bias_hh_l{}{}", "weight_hr_l{}{}")


class RNNBase(Module):
    """What recurrent layers share: ``num_layers``, each over what the one before gives, in one or two directions.

    ``input`` is [t, n, input_size], with ``batch_first`` [n, t, input_size], or without n, or a `PackedSequence`. The
    output has h of the last layer at all steps, [t, n, d * r] with d directions; the state is [num_layers * d, n, r]
    for each tensor of it (r is ``proj_size`` or ``hidden_size``), zeros unless given. ``dropout`` drops outputs of all
    layers but the last in training mode. Parameters weight_ih_l0 [g * hidden_size, input_size], weight_hh_l0
    [g * hidden_size, r], bias_ih_l0, bias_hh_l0, weight_hr_l0 [proj_size, hidden_size], then the same with _reverse,
    and of l1, start uniform within 1 / sqrt(hidden_size).

    Under gt.compile a direction of a layer is one loop, compiled once for any number of steps
    (docs/adr/0020-loops.md). ArgumentError GT304 for sizes below 1 and a ``proj_size`` outside of [0, hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.mode = mode
        self.input_size = positive(input_size, "input_size")
        self.hidden_size = positive(hidden_size, "hidden_size")
        self.num_layers = positive(num_layers, "num_layers")
        self.bias = flag(bias, "bias")
        self.batch_first = flag(batch_first, "batch_first")
        self.dropout = float(number(dropout, "dropout", 0, 1))
        self.bidirectional = flag(bidirectional, "bidirectional")
        self.proj_size = at_least(proj_size, "proj_size", 0)
        expected = f"expected less than hidden_size={self.hidden_size}"
        fits = self.proj_size < self.hidden_size
        check(fits, "GT304", f"proj_size={proj_size} is not allowed", expected, kind=ArgumentError)
        if self.dropout and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} drops outputs of all layers but the last, and there is one layer", stacklevel=3
            )
        self._all_weights = [self._make(*at, dtype) for at in self._directions()]
        self.reset_parameters()

    @property
    def _cell(self) -> Cell:
        return CELLS[self.mode]

    def _directions(self) -> list[tuple[int, str]]:
        """(layer, suffix of its parameters), in the order of states."""
        suffixes = ("", "_reverse") if self.bidirectional else ("",)
        return [(layer, suffix) for layer in range(self.num_layers) for suffix in suffixes]

    def _make(self, layer: int, suffix: str, dtype: DType | None) -> list[str]:
        """Register the parameters of a direction; their names."""
        rows, out = self._cell.gates * self.hidden_size, self.proj_size or self.hidden_size
        columns = out * (2 if self.bidirectional else 1) if layer else self.input_size
        biases = (rows,) if self.bias else None
        shapes = (rows, columns), (rows, out), biases, biases, (out, self.hidden_size) if self.proj_size else None
        made = {n.format(layer, suffix): s for n, s in zip(_NAMES, shapes, strict=True) if s is not None}
        for name, shape in made.items():
            setattr(self, name, Parameter(PUBLIC["gt"]["empty"](*shape, dtype=dtype)))
        return list(made)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each direction of each layer."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: where parameters lie is of no consequence here."""

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        batched = self._check_input(input)
        swap = batched and self.batch_first
        x = input.transpose(0, 1) if swap else input if batched else input.unsqueeze(1)
        output, state = self._run(x, self._initial(x, hx, batched))
        if not batched:
            output, state = output.squeeze(1), tuple(s.squeeze(1) for s in state)
        return output.transpose(0, 1) if swap else output, state if self._cell.states > 1 else state[0]

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """As `forward`; the state is in the order that the sequences had before they were packed."""
        self._check_input(input.data, packed=True)
        x, there = input.padded()
        state = self._initial(x, hx, batched=True)
        if hx is not None and input.sorted_indices is not None:
            state = tuple(s.index_select(1, input.sorted_indices) for s in state)
        valid = bind.current().array(there[..., None])
        output, state = self._run(x, state, valid)
        if input.unsorted_indices is not None:
            state = tuple(s.index_select(1, input.unsorted_indices) for s in state)
        return input.packed_as(output), state if self._cell.states > 1 else state[0]

    def _run(self, x: Tensor, state: State, valid: Tensor | None = None) -> tuple[Tensor, State]:
        """All layers over ``x`` [t, n, i]."""
        last: list[State] = []
        count = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(layer * count, (layer + 1) * count):
                start = tuple(s[direction] for s in state)
                out, end = steps(self._cell, x, start, self._weights(direction), direction % count == 1, valid)
                outputs.append(out)
                last.append(end)
            x = PUBLIC["gt"]["cat"](outputs, -1) if self.bidirectional else outputs[0]
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, tuple(PUBLIC["gt"]["stack"](list(of_all)) for of_all in zip(*last, strict=True))

    def _weights(self, direction: int) -> Weights:
        names = self._all_weights[direction]
        return Weights(**{_FIELDS[name.rpartition("_l")[0]]: getattr(self, name) for name in names})

    # ---- what it is given ----

    def _check_input(self, input: Tensor, packed: bool = False) -> bool:
        """Whether there is a batch; ``packed`` rows [sum of lengths, input_size] have none."""
        if not isinstance(input, Tensor):
            raise not_a_tensor(input)
        shape, weight = input.shape, self._weights(0).ih
        layout = "[n, t, input_size]" if self.batch_first else "[t, n, input_size]"
        expected = "expected data [rows, input_size]" if packed else f"expected {layout}, or without n"
        fits = len(shape) == 2 or (len(shape) == 3 and not packed)
        check(fits, "GT107", f"input has {len(shape)} dimensions", expected)
        check(
            shape[-1] == self.input_size,
            "GT109",
            "input.size(-1) must be equal to input_size",
            f"expected {self.input_size}, got {shape[-1]}",
        )
        check(
            input.dtype == weight.dtype,
            "GT201",
            f"input is {input.dtype} and weight_ih_l0 is {weight.dtype}",
            "convert one of them: input.to(dtype), layer.to(dtype)",
            kind=DTypeError,
        )
        length = shape[1 if self.batch_first and len(shape) == 3 else 0]
        check(length > 0, "GT103", "the sequence in input has no steps", f"{expected}, with t > 0")
        return len(shape) == 3

    def _initial(self, x: Tensor, hx: Any, batched: bool) -> State:
        """The first state of all layers, each tensor [num_layers * d, n, size], for ``x`` [t, n, i]."""
        count, rows = self._cell.states, len(self._all_weights)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[:count]
        shapes = [(rows, x.shape[1], size) if batched else (rows, size) for size in sizes]
        if hx is None:
            zeros = [PUBLIC["gt"]["zeros"](rows, x.shape[1], size, dtype=x.dtype) for size in sizes]
            return tuple(zeros)
        given = hx if count > 1 else (hx,)
        names = [f"hx[{i}]" for i in range(count)] if count > 1 else ["hx"]
        check_state(given, names, shapes, x.dtype)
        return tuple(given) if batched else tuple(s.unsqueeze(1) for s in given)

    def extra_repr(self) -> str:
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        defaults["bidirectional"] = False
        changed = [f"{n}={getattr(self, n)}" for n, default in defaults.items() if getattr(self, n) != default]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


_FIELDS = {"weight_ih": "ih", "weight_hh": "hh", "bias_ih": "b_ih", "bias_hh": "b_hh", "weight_hr": "hr"}


def check_state(given: Any, names: list[str], shapes: list[tuple[Any, ...]], dtype: DType) -> None:
    """ArgumentTypeError GT301, ShapeError GT103 or DTypeError GT201 unless ``given`` are tensors of these shapes."""
    if not isinstance(given, tuple | list) or len(given) != len(names):
        what = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else type(given).__name__
        raise ArgumentTypeError("GT301", f"hx must be a tuple of {len(names)} tensors, got {what}")
    for name, tensor, shape in zip(names, given, shapes, strict=True):
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError("GT301", f"{name} must be a tensor, got {type(tensor).__name__}")
        fits = tuple(tensor.shape) == shape
        check(fits, "GT103", f"{name} does not fit the input", f"expected {list(shape)}, got {list(tensor.shape)}")
        same = f"{name} is {tensor.dtype} and the input is {dtype}"
        check(tensor.dtype == dtype, "GT201", same, f"expected {dtype}", kind=DTypeError)


class LSTM(RNNBase):
    """Long short-term memory: ``output, (h, c) = lstm(input, (h0, c0))``; see `RNNBase`.

    Gates stand in the order i, f, g, o: c' = sigmoid(f) * c + sigmoid(i) * tanh(g), h' = sigmoid(o) * tanh(c').
    With ``proj_size`` h' goes through weight_hr (H. Sak et al., arXiv:1402.1128 (2014)).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent units: ``output, h = gru(input, h0)``; see `RNNBase`.

    Gates stand in the order r, z, n: h' = (1 - z) * n + z * h with n = tanh(W_in x + b_in + r * (W_hn h + b_hn)).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )


class RNN(RNNBase):
    """Elman's network: ``output, h = rnn(input, h0)``, h' = tanh(W_ih x + b_ih + W_hh h + b_hh); see `RNNBase`.

    ``nonlinearity`` may be "relu" instead; ArgumentError GT304 for others.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        mode = f"RNN_{one_of(nonlinearity, 'nonlinearity', 'tanh', 'relu')}".upper()
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity
