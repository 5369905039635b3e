"""LLVM on this machine: IR text -> object code -> addresses."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from graphtorch.codegen.stages import llvm_text
from graphtorch.codegen.target import Target, host_target
from graphtorch.ir.graph import Graph


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    return llvm


@functools.cache
def _all_targets() -> None:
    """What only code for other machines needs."""
    _llvm().initialize_all_targets()
    _llvm().initialize_all_asmprinters()


def target_machine(target: Target) -> Any:
    llvm = _llvm()
    if target.triple != host_target().triple:
        _all_targets()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )


def _unlocked(name: str) -> Any:
    """llvmlite's C function ``name``, without the lock that lets one thread at a time into LLVM.

    LLVM takes as many threads as there are contexts; the lock is for those who share the global one.
    """
    lib = _llvm().ffi.lib
    locked = getattr(lib, name)
    try:
        free = getattr(ctypes.CDLL(lib._name), name)
    except (AttributeError, OSError):  # another llvmlite: one thread at a time, then
        return locked
    free.argtypes, free.restype = locked.argtypes, locked.restype
    return free


@functools.cache
def _long_calls() -> tuple[Any, Any]:
    """The two calls that take LLVM's time: run passes, and make code."""
    return _unlocked("LLVMPY_RunNewModulePassManager"), _unlocked("LLVMPY_TargetMachineEmitToMemory")


def parse(text: str) -> Any:
    """A verified module in a context of its own, so that several threads may work on one each."""
    llvm = _llvm()
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    return module


def optimize(module: Any, machine: Any) -> None:
    """LLVM's passes, in place.

    Loops are the schedule's business. What is left to LLVM's passes is what makes registers of local arrays, and
    sums of index arithmetic: its standard pipeline (O1) takes eight times as long for code that is no faster.
    """
    llvm = _llvm()
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    run, _ = _long_calls()
    run(passes, module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


def generate(module: Any, machine: Any) -> bytes:
    """Object code."""
    lib, (_, emit) = _llvm().ffi.lib, _long_calls()
    with _llvm().ffi.OutputString() as error:
        code = emit(machine, module, 1, error)
        if not code:
            raise RuntimeError(str(error))
    try:
        return ctypes.string_at(lib.LLVMPY_GetBufferStart(code), lib.LLVMPY_GetBufferSize(code))
    finally:
        lib.LLVMPY_DisposeMemoryBuffer(code)


def compile_object(text: str, target: Target | None = None) -> bytes:
    """Object code of LLVM IR text."""
    module, machine = parse(text), target_machine(target or host_target())
    optimize(module, machine)
    return generate(module, machine)


def assembly(text: str, target: Target | None = None) -> str:
    """Assembly of LLVM IR text."""
    module, machine = parse(text), target_machine(target or host_target())
    optimize(module, machine)
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
    machine = Machine(*cache.objects_for(cache.key_of(text, "pool"), lambda: [compile_object(text)])[0])
    for name in ("gt_claim", "gt_await"):
        _llvm().add_symbol(name, machine.address(name))
    return machine


def load_pool() -> Machine:
    """The worker pool's code. What programs call of it becomes symbols that they link against."""
    return _pool_machine()
