"""Eager mode on a GPU: an op is a program of one node, made by the same compiler, once for operands of the same types.

Views are worked out on the host and move nothing. An op that has no kernel there runs on the CPU: its operands are
copied, and its results copied back; a warning says so, once for each op.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.codegen.cuda_target import CudaTarget, cuda_target
from graphtorch.frontend.placement import array_on, here, mixed
from graphtorch.frontend.typed_calls import TypedCall
from graphtorch.ir.bind import bind
from graphtorch.ir.control_flow import is_control_flow
from graphtorch.ir.errors import DeviceError, DeviceWarning, IRError
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.loc import warn_user
from graphtorch.ir.low_precision import reference
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.ops.movement import broadcast_to
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE_CUDA
from graphtorch.ir.types import TensorType
from graphtorch.runtime import cuda_copy
from graphtorch.runtime.cuda_array import DeviceArray, on_gpu
from graphtorch.runtime.cuda_program import CudaProgram, needs_copies
from graphtorch.runtime.threads import fork_safe

Array = Any
#: programs of ops by device, op, types and attributes; None for an op that runs on the CPU
_programs: dict[tuple[Any, ...], CudaProgram | None] = {}
#: numbers that are on a device already, by their bytes
_numbers: dict[tuple[Any, ...], DeviceArray] = {}
_FULL = 10_000
_warned: set[str] = set()
_making = fork_safe(threading.RLock())


def device_of(arrays: Sequence[Array]) -> int | None:
    """The number of the GPU on which the first array is that is on one."""
    for a in arrays:
        if on_gpu(a):
            return a.device
    return None


def run(
    op: Op, operands: Sequence[Any], arrays: Sequence[Array], attrs: dict[str, Any], call: TypedCall
) -> list[Array] | None:
    """What ``op`` makes on a GPU, views where it gives views; None for an op of tensors of the CPU."""
    index = device_of(arrays)
    if index is None:
        return _from_numbers(op, arrays, attrs)
    _check(op, operands, arrays, index)
    if not any(t.numel for t in call.made):
        return [cuda_copy.empty(index, t.shape, t.dtype.np) for t in call.made]
    if op.is_view:
        found = arrays[0].viewed(lambda shadow: op.ref(shadow, **attrs))
        if found is not None:
            return [found]
    if op is OPS["clone"]:
        return [cuda_copy.copied(arrays[0], "C" if attrs.get("row_major") else "K")]
    repeated = tuple(i for i, a in enumerate(arrays) if _is_repeated(a))
    program = _program(op, call.taken, attrs, index, repeated)
    if program is None:
        return _on_the_cpu(op, arrays, attrs, index)
    return program.run([operand(_first(a) if i in repeated else a, index) for i, a in enumerate(arrays)])


def _from_numbers(op: Op, arrays: Sequence[Array], attrs: dict[str, Any]) -> list[Array] | None:
    """Of numbers that are no tensor's, or of nothing: one number stays on the CPU, all else is made where tensors are
    made now. None for tensors of the CPU."""
    place = here()
    if place.type == "cpu" or (arrays and not any(map(_is_repeated, arrays))):
        return None
    if any(a.ndim and not _is_repeated(a) for a in arrays):
        return None
    with np.errstate(all="ignore"):
        found = [np.asarray(a) for a in reference(op, arrays, attrs)]
    return [a if not a.ndim or _is_repeated(a) else array_on(np.ascontiguousarray(a), place) for a in found]


def _is_repeated(array: Array) -> bool:
    """Whether every element is one number of the CPU: kernels read it once."""
    return not on_gpu(array) and array.ndim > 0 and array.size > 0 and not any(array.strides)


def _first(array: Array) -> Array:
    return np.asarray(array[(0,) * array.ndim])


def operand(array: Array, index: int) -> DeviceArray:
    """An array as kernels read it: on the device, in row-major order, at a multiple of 16 bytes."""
    if not on_gpu(array):
        return _number(array, index) if not array.ndim else cuda_copy.to_device(array, index)
    return cuda_copy.copied(array, "C") if needs_copies(array) else array


def _number(array: Array, index: int) -> DeviceArray:
    """A number of the CPU, which is likely to come again."""
    key = index, array.dtype.str, array.dtype.name, array.tobytes()
    found = _numbers.get(key)
    if found is None:
        if len(_numbers) >= _FULL:
            _numbers.clear()
        found = _numbers[key] = cuda_copy.to_device(array, index)
    return found


def _check(op: Op, operands: Sequence[Any], arrays: Sequence[Array], index: int) -> None:
    """DeviceError GT404 unless all are on one GPU, but for numbers, and what repeats one."""
    for a in arrays:
        if on_gpu(a):
            if a.device == index:
                continue
        elif not a.ndim or _is_repeated(a):
            continue
        names = op.operand_names or tuple(f"tensors[{i}]" for i in range(len(operands)))
        raise mixed(op.name, list(zip(names, operands, strict=False)))


# ---- programs --------------------------------------------------------------------------------------


def _program(
    op: Op, taken: Sequence[TensorType], attrs: dict[str, Any], index: int, repeated: tuple[int, ...]
) -> CudaProgram | None:
    """Of an op whose operands numbered ``repeated`` come as one number each."""
    try:
        key = (
            index,
            cuda_target(),
            op,
            repeated,
            *taken,
            *[(k, repr(v) if type(v) is float else v) for k, v in attrs.items()],
        )
        hash(key)
    except TypeError:  # a body, which is a graph
        return _made(op, taken, attrs, index, repeated)
    with _making:
        if key not in _programs:
            if len(_programs) >= _FULL:
                _programs.clear()
            _programs[key] = _made(op, taken, attrs, index, repeated)
        return _programs[key]


def _made(
    op: Op, taken: Sequence[TensorType], attrs: dict[str, Any], index: int, repeated: tuple[int, ...]
) -> CudaProgram | None:
    types = [TensorType((), t.dtype) if i in repeated else t for i, t in enumerate(taken)]
    graph = Graph(op.name, [Param(f"x{i}", t) for i, t in enumerate(types)])
    with Builder(graph):
        given = [broadcast_to(p, t.shape) if p.type != t else p for p, t in zip(graph.params, taken, strict=True)]
        found = bind(op, *given, **attrs)
    graph.outputs = list(found) if isinstance(found, tuple) else [found]
    if any(is_control_flow(n) or not hasattr(n.op, "lower") for n in graph.nodes):
        return None
    try:
        return CudaProgram(run_passes(graph, OPTIMIZE_CUDA), index)
    except (DeviceError, IRError) as error:
        if error.code not in ("GT407", "GT812"):
            raise
        return None


def _on_the_cpu(op: Op, arrays: Sequence[Array], attrs: dict[str, Any], index: int) -> list[Array]:
    if op.name not in _warned:
        _warned.add(op.name)
        warn_user(
            f"GT407: {op.name} has no kernel for a GPU: it runs on the CPU, with copies there and back", DeviceWarning
        )
    host = [cuda_copy.to_host(a) if on_gpu(a) else a for a in arrays]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        found = reference(op, host, attrs)
    return [cuda_copy.to_device(np.asarray(a), index) for a in found]


# ---- several ops at once ---------------------------------------------------------------------------


class DevicePlan:
    """A graph of several ops, as `plans.Plan`, for arrays of which one at least is on a GPU."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._programs: dict[tuple[int, CudaTarget], CudaProgram | None] = {}

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        index = device_of(arrays)
        assert index is not None  # the caller has looked
        key = index, cuda_target()
        if key not in self._programs:
            self._programs[key] = self._made(index)
        program = self._programs[key]
        if program is None:
            return self._by_ops(arrays, index)
        return program.run([operand(a, index) for a in arrays])

    def _made(self, index: int) -> CudaProgram | None:
        try:
            return CudaProgram(run_passes(self._graph, OPTIMIZE_CUDA), index)
        except (DeviceError, IRError) as error:
            if error.code not in ("GT407", "GT812"):
                raise
            return None

    def _by_ops(self, arrays: Sequence[Array], index: int) -> list[Array]:
        """An op among them has no kernel."""
        known: dict[Value, Array] = dict(zip(self._graph.params, arrays, strict=True))
        for node in self._graph.nodes:
            given = [known[o] for o in node.operands]
            known.update(zip(node.results, _node(node, given, index), strict=True))
        found = [known[o] for o in self._graph.outputs]
        return [a if on_gpu(a) else cuda_copy.to_device(a, index) for a in found]


def _node(node: Node, given: list[Array], index: int) -> list[Array]:
    types = tuple(r.type for r in node.results)
    if device_of(given) is None:
        with np.errstate(all="ignore"):
            return [np.asarray(a) for a in reference(node.op, given, node.attrs)]
    placed = [operand(a, index) if not on_gpu(a) else a for a in given]
    call = TypedCall(types, tuple(o.type for o in node.operands), True, (), False, ())
    found = run(node.op, (), placed, node.attrs, call)
    assert found is not None  # one of them is on a GPU
    return found
