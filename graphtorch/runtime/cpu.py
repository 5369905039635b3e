"""LLVM on this machine: IR text -> object code -> addresses."""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections.abc import Iterable
from typing import Any

from graphtorch.codegen.stages import llvm_text
from graphtorch.codegen.target import Target, host_target
from graphtorch.ir.graph import Graph
from graphtorch.runtime.threads import fork_safe


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    return llvm


def target_machine(target: Target) -> Any:
    llvm = _llvm()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )


def optimize(text: str, target: Target) -> tuple[Any, Any]:
    """(module, target machine): parsed, verified and run through LLVM's passes.

    Loops are the schedule's business. What is left to LLVM's passes is what makes registers of local arrays, and
    sums of index arithmetic: its standard pipeline (O1) takes eight times as long for code that is no faster.
    """
    llvm = _llvm()
    machine = target_machine(target)
    module = llvm.parse_assembly(text)
    module.verify()
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return module, machine


def compile_object(text: str, target: Target | None = None) -> bytes:
    """Object code of LLVM IR text."""
    module, machine = optimize(text, target or host_target())
    return machine.emit_object(module)  # type: ignore[no-any-return]


def compile_objects(texts: Iterable[str]) -> list[bytes]:
    """Object code of each text. LLVM, which does not hold the GIL, works on one while the next is written."""
    todo: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    done: list[bytes] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while (text := todo.get()) is not None:
                done.append(compile_object(text))
        except BaseException as error:
            failed.append(error)

    worker = threading.Thread(target=work, name="graphtorch-llvm", daemon=True)
    try:
        worker.start()
    except RuntimeError:  # the interpreter is shutting down, or there are no more threads
        return [compile_object(text) for text in texts]
    try:
        with _short_switches:
            for text in texts:
                todo.put(text)
            todo.put(None)
            worker.join()
    finally:
        todo.put(None)  # also where an error came between
    if failed:
        raise failed[0]
    return done


class _ShortSwitches:
    """A thread that comes back from LLVM waits for the GIL for a switch interval: 5 ms, as long as its work.

    Several threads may compile at once: the first one in keeps the interval that was set, the last one out restores it.
    """

    def __init__(self) -> None:
        self._lock = fork_safe(threading.Lock())
        self._inside, self._before = 0, 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before, 2e-4))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._before)


_short_switches = _ShortSwitches()


def assembly(text: str, target: Target | None = None) -> str:
    """Assembly of LLVM IR text."""
    module, machine = optimize(text, target or host_target())
    return machine.emit_assembly(module)  # type: ignore[no-any-return]


def graph_assembly(graph: Graph) -> str:
    """Assembly of a whole program for this CPU."""
    return assembly(llvm_text(graph))


class Machine:
    """Object code loaded into this process; its functions live as long as this does."""

    def __init__(self, *code: bytes) -> None:
        llvm = _llvm()
        empty = llvm.parse_assembly("")
        self.engine = llvm.create_mcjit_compiler(empty, target_machine(host_target()))
        for part in reversed(code):  # callers before what they call: such calls may reach any distance
            self.engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(part))
        self.engine.finalize_object()

    def address(self, name: str) -> int:
        found = self.engine.get_function_address(name)
        if not found:
            raise RuntimeError(f"the object code has no function {name}")
        return int(found)


@functools.cache
def _pool_machine() -> Machine:
    from graphtorch.runtime import cache
    from graphtorch.runtime.pool_ir import pool_ir

    text = pool_ir()
    machine = Machine(*cache.objects_for(text, "pool", lambda: [compile_object(text)])[0])
    for name in ("gt_claim", "gt_await"):
        _llvm().add_symbol(name, machine.address(name))
    return machine


def load_pool() -> Machine:
    """The worker pool's code. What programs call of it becomes symbols that they link against."""
    return _pool_machine()
