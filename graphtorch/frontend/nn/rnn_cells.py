"""Recurrent cells: one step of a recurrent layer, for loops of one's own."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.nn.recurrent import CELLS, Cell, State, Weights, projected
from graphtorch.frontend.nn.rnn import check_state
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import DTypeError, check, not_a_tensor
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType


class RNNCellBase(Module):
    """What cells share: ``input`` [n, input_size] and states [n, hidden_size], or both without n; zeros unless given.

    weight_ih [num_chunks * hidden_size, input_size], weight_hh [num_chunks * hidden_size, hidden_size], bias_ih and
    bias_hh start uniform within 1 / sqrt(hidden_size). ArgumentError GT304 for sizes below 1.
    """

    _mode: ClassVar[str]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        self.input_size = positive(input_size, "input_size")
        self.hidden_size = positive(hidden_size, "hidden_size")
        self.bias = flag(bias, "bias")
        rows = num_chunks * self.hidden_size
        shapes: dict[str, Any] = {"weight_ih": (rows, self.input_size), "weight_hh": (rows, self.hidden_size)}
        for name, shape in (shapes | dict.fromkeys(("bias_ih", "bias_hh"), (rows,) if bias else None)).items():
            made = None if shape is None else Parameter(PUBLIC["gt"]["empty"](*shape, dtype=dtype))
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _cell(self) -> Cell:
        return CELLS[self._mode]

    def _step(self, input: Tensor, hx: Any) -> State:
        """The next state."""
        cell = self._cell()
        self._check_input(input)
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            state: State = (PUBLIC["gt"]["zeros"](*shape, dtype=input.dtype),) * cell.states
        else:
            state = tuple(hx) if cell.states > 1 and isinstance(hx, tuple | list) else (hx,)
            names = [f"hx[{i}]" for i in range(cell.states)] if cell.states > 1 else ["hx"]
            check_state(state, names, [shape] * cell.states, input.dtype)
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return cell.step(projected(cell, input, weights), state, weights)

    def _check_input(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise not_a_tensor(input)
        shape = input.shape
        expected = "expected [n, input_size] or [input_size]"
        check(len(shape) in (1, 2), "GT107", f"input has {len(shape)} dimensions", expected)
        sizes = f"expected {self.input_size}, got {shape[-1]}"
        check(shape[-1] == self.input_size, "GT109", "input.size(-1) must be equal to input_size", sizes)
        differ = f"input is {input.dtype} and weight_ih is {self.weight_ih.dtype}"
        convert = "convert one of them: input.to(dtype), layer.to(dtype)"
        check(input.dtype == self.weight_ih.dtype, "GT201", differ, convert, kind=DTypeError)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """``h = cell(input, h)``: a step of `RNN`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = one_of(nonlinearity, "nonlinearity", "tanh", "relu")

    def _cell(self) -> Cell:
        return CELLS[f"RNN_{self.nonlinearity.upper()}"]

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, hx)[0]

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """``h, c = cell(input, (h, c))``: a step of `LSTM`."""

    _mode = "LSTM"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step(input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """``h = cell(input, h)``: a step of `GRU`."""

    _mode = "GRU"

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType | None = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, hx)[0]
