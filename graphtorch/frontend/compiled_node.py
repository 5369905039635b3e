"""The history of a compiled call's outputs: where eager autograd enters the compiled backward program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graphtorch.frontend import autograd
from graphtorch.frontend.reached import history
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.frontend.tensors.storage import row_major_copy
from graphtorch.frontend.trace import Traced
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.types import TensorType
from graphtorch.runtime.executable import Executable

if TYPE_CHECKING:
    from graphtorch.runtime.cuda_executable import CudaExecutable

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Derivative:
    """The backward program of a compiled call.

    ``outputs`` are the numbers of the differentiable outputs, and ``targets`` the leaves that get gradients (an
    argument by its stand-in in the trace). The program takes the residuals, then the parameters named
    ``shared``, then a gradient for each of ``outputs``. ``reached_from`` says for each target on which outputs
    it depends, and ``conflicts`` for each output whose saved tensors are gone after its backward.
    """

    program: Executable | CudaExecutable
    outputs: tuple[int, ...]
    targets: tuple[Tensor, ...]
    shared: tuple[str, ...]
    reached_from: tuple[frozenset[int], ...]
    conflicts: dict[int, frozenset[int]]


def derivative_of(
    traced: Traced, outputs: Sequence[int], program: Executable | CudaExecutable, shared: tuple[str, ...]
) -> Derivative:
    """What ``program`` is of a trace whose ``outputs`` are differentiable."""
    paths = {i: history(traced.graph.outputs[i], traced.leaves) for i in outputs}
    return Derivative(
        program,
        tuple(outputs),
        tuple(t for _, t in traced.targets),
        shared,
        tuple(frozenset(i for i in outputs if v in paths[i][0]) for v, _ in traced.targets),
        _conflicts({i: nodes for i, (_, nodes) in paths.items()}),
    )


def _conflicts(paths: dict[int, Any]) -> dict[int, frozenset[int]]:
    """For each output those whose backward needs saved tensors that its own backward frees."""
    saving = {i: {n for n in nodes if autograd.saves(n.op)} for i, nodes in paths.items()}
    return {i: frozenset(j for j in saving if saving[i] & saving[j]) for i in saving}


class CompiledNode(autograd.GradNode):
    """backward() from any of the outputs, together or one after the other, as in eager mode."""

    def __init__(
        self,
        derivative: Derivative,
        targets: Sequence[Tensor],
        avals: Sequence[TensorType],
        saved: list[Array],
        storages: Sequence[Storage],
        sizes: Mapping[str, int],
    ) -> None:
        super().__init__([autograd.edge_of(t) for t in targets], avals)
        self._derivative, self._saved = derivative, saved
        self._sizes = tuple(sizes[name] for name in derivative.program.names)
        self._versions = [(s, s.version) for s in storages]
        self._running: frozenset[int] = frozenset()
        self._freed: set[int] = set()

    @property
    def name(self) -> str:
        return "compiled"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        self._running = frozenset(i for i in self._derivative.outputs if grads[i] is not None)
        self._check()
        seeds = []
        for i in self._derivative.outputs:
            g, aval = grads[i], self.avals[i]
            seeds.append(np.zeros(aval.shape, aval.dtype.np) if g is None else contiguous(g._array))
        found = self._derivative.program.run([*self._saved, *seeds], self._sizes or None)
        return [
            Tensor._from_array(a) if outputs & self._running else None
            for a, outputs in zip(found, self._derivative.reached_from, strict=True)
        ]

    def _check(self) -> None:
        if self._freed & self._running:
            raise AutogradError(
                "GT501",
                "the saved tensors of a compiled call were freed by an earlier backward",
                ["pass retain_graph=True to the first backward to run it again"],
            )
        if any(s.version != v for s, v in self._versions):
            raise AutogradError(
                "GT502",
                "a tensor that the compiled backward needs was changed in place since the forward call",
                ["run backward() before the optimizer's step"],
            )

    def release(self) -> None:
        for i in self._running:
            self._freed |= self._derivative.conflicts[i]
        if self._freed.issuperset(self._derivative.outputs):
            self._saved, self._versions = [], []


def contiguous(array: Array) -> Array:
    """The array in row-major order, copied if need be; unlike numpy's function it keeps 0 dimensions."""
    return array if array.flags.c_contiguous else row_major_copy(array)
