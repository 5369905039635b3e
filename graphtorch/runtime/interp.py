"""Executes Kernel IR in plain Python, also after CUDA mapping: the oracle for both code generators.

A kernel becomes Python source, once, and runs on numpy arrays. Arithmetic is that of the dtypes: float32
in float32, integers wrap. `let` variables and loop variables are checked against the extents they claim,
every access against its buffer, and memory that nothing wrote reads as nan (or all bits set).

The threads of a block are generators that meet at barriers. Everything parallel (`par`, blocks, threads)
runs in two orders, and results must agree bit for bit: a missing barrier or a race between iterations
shows as a difference. IRError GT822 is a wrong call, GT823 an access or a range outside of its bounds,
GT824 barriers that not all threads reach or results that depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.codegen.kernel_ir import For, Kernel, walk
from graphtorch.codegen.kernel_text import statement_text
from graphtorch.codegen.launch import is_mapped, stages_of, workspaces
from graphtorch.ir.errors import IRError
from graphtorch.runtime.interp_rt import HELPERS, BarrierMismatch, OutOfBounds, fresh
from graphtorch.runtime.interp_source import Source, translate

Array = np.ndarray[Any, np.dtype[Any]]
#: order name -> whether parallel iterations run backwards
ORDERS = {"forward": False, "reverse": True}


def run_kernel(kernel: Kernel, arrays: Sequence[Array], orders: Sequence[str] = ("forward", "reverse")) -> None:
    """Run ``kernel`` on ``arrays`` (one per parameter, in order; results are written into them).

    The arrays have the parameters' dtypes and numbers of elements. Every order starts from the same
    contents; results that differ between orders are an error.
    """
    _check_call(kernel, arrays, orders)
    run = compile_kernel(kernel)
    parallel = any(isinstance(s, For) and (s.kind == "par" or is_mapped(s)) for s in walk(kernel.body))
    results = [(order, _run_once(kernel, run, arrays, order)) for order in (orders if parallel else orders[:1])]
    for order, got in results[1:]:
        _compare(kernel, results[0], (order, got))
    for param, array, result in zip(kernel.params, arrays, results[0][1], strict=True):
        if param.mode != "in":
            array[...] = result.reshape(array.shape)


def compile_kernel(kernel: Kernel) -> Callable[..., None]:
    """A Python function of the kernel's arrays (in their declared shapes) and ``reverse``."""
    stages = stages_of(kernel)
    return _compile_stage(kernel) if len(stages) == 1 else _in_turn(kernel, list(map(_compile_stage, stages)))


def _in_turn(kernel: Kernel, stages: Sequence[Callable[..., None]]) -> Callable[..., None]:
    def run(*arrays: Array, reverse: bool = False) -> None:
        spaces = [fresh(b.shape, b.dtype.np) for b in workspaces(kernel)]
        for stage in stages:
            stage(*arrays, *spaces, reverse=reverse)

    return run


def _compile_stage(kernel: Kernel) -> Callable[..., None]:
    source = translate(kernel)
    namespace = {**HELPERS, **source.constants}
    exec(compile(source.text, f"<kernel {kernel.name}>", "exec"), namespace)
    function = namespace["_kernel"]

    def run(*arrays: Array, reverse: bool = False) -> None:
        with np.errstate(all="ignore"):
            try:
                function(*arrays, reverse)
            except OutOfBounds as error:
                raise _bounds_error(kernel, source, error) from None
            except BarrierMismatch as error:
                raise _barrier_error(kernel, source, error) from None

    return run


# ---- calls ----------------------------------------------------------------------------------------


def _check_call(kernel: Kernel, arrays: Sequence[Array], orders: Sequence[str]) -> None:
    unknown = set(orders) - set(ORDERS)
    if unknown or not orders:
        raise ValueError(f"orders={tuple(orders)!r}: expected some of {tuple(ORDERS)}")
    if len(arrays) != len(kernel.params):
        raise IRError("GT822", f"kernel @{kernel.name} has {len(kernel.params)} parameters, got {len(arrays)} arrays")
    for param, array in zip(kernel.params, arrays, strict=True):
        b = param.buffer
        if array.dtype != b.dtype.np or array.size != b.numel:
            wanted = f"{b.dtype.name} with {b.numel} elements"
            got = f"{array.dtype} with {array.size}"
            raise IRError("GT822", f"%{b.name} of kernel @{kernel.name} is {wanted}, got {got}")


def _run_once(kernel: Kernel, run: Callable[..., None], arrays: Sequence[Array], order: str) -> list[Array]:
    copies = [np.array(a, order="C").reshape(p.buffer.shape) for p, a in zip(kernel.params, arrays, strict=True)]
    run(*copies, reverse=ORDERS[order])
    return copies


def _compare(kernel: Kernel, first: tuple[str, list[Array]], second: tuple[str, list[Array]]) -> None:
    for param, a, b in zip(kernel.params, first[1], second[1], strict=True):
        bits = f"V{a.dtype.itemsize}"
        differ = np.argwhere(np.atleast_1d(a).view(bits) != np.atleast_1d(b).view(bits))
        if len(differ) == 0:
            continue
        at = tuple(int(i) for i in differ[0])
        index = list(at) if a.ndim else []
        values = f"{np.atleast_1d(a)[at]} in {first[0]} order, {np.atleast_1d(b)[at]} in {second[0]} order"
        raise IRError(
            "GT824",
            f"the result of kernel @{kernel.name} depends on the order of its threads",
            [f"%{param.buffer.name}{index} is {values}; {len(differ)} of {a.size} elements differ"],
            "a barrier is missing between a store and what reads it, or two threads store to one element",
        )


# ---- errors ---------------------------------------------------------------------------------------


def _bounds_error(kernel: Kernel, source: Source, error: OutOfBounds) -> IRError:
    stmt, what = source.sites[error.site]
    facts = [
        f"statement  {statement_text(kernel, stmt)}",
        f"index      {error.index}, expected 0 <= index < {error.size}",
    ]
    return IRError("GT823", f"{what} is out of bounds in kernel @{kernel.name}", facts)


def _barrier_error(kernel: Kernel, source: Source, error: BarrierMismatch) -> IRError:
    def place(site: int | None) -> str:
        return "ended" if site is None else f"waits at {source.barriers[site]}"

    facts = [f"thread {list(thread)} {place(site)}" for thread, site in error.places]
    message = f"the threads of a block reach different barriers in kernel @{kernel.name}"
    return IRError("GT824", message, facts, "move the barrier out of what only some threads run")
