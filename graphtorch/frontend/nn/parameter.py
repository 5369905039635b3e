"""Parameter: a tensor that a module counts among its own."""

from __future__ import annotations

import numpy as np

from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError
from graphtorch.ir.types import defaults


class Parameter(Tensor):
    """A tensor to be trained. It shares the storage of ``data`` and requires gradients unless told not to.

    Assigned to an attribute of a `Module`, it appears in `Module.parameters`. Raises ArgumentTypeError
    GT301 when ``data`` is not a tensor, DTypeError GT202 when it cannot have gradients.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = as_tensor_of(np.empty(0, defaults.dtype.np))
        if not isinstance(data, Tensor):
            raise ArgumentTypeError(
                "GT301", f"data must be a tensor, got {type(data).__name__}", ["wrap it with graphtorch.tensor(...)"]
            )
        self._data, self._storage, self._aval = data._data, data._storage, data._aval
        self._traced = data._traced
        bind.current().constructing(self)
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
