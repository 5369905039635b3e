"""Legalized Kernel IR -> LLVM IR, through llvmlite's builder. Tables for operators; nothing clever.

Every kernel is a function

    void @name(T* param..., i8* scratch, i8* workspace, i64 thread, i64 threads, i8* barrier)

that all threads call. A `par` loop gives each thread a contiguous share of its iterations; top-level
statements without one run on thread 0. After a top-level `par` loop, and where thread 0 hands over,
the threads meet at a barrier (`needs_barrier`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ll

from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Stmt, Store, exprs_of, walk
from graphtorch.ir import expr as E
from graphtorch.ir.expr import Buffer, Expr
from graphtorch.ir.types import DType, int64

I1, I8, I32, I64 = ll.IntType(1), ll.IntType(8), ll.IntType(32), ll.IntType(64)
PTR = I8.as_pointer()
_ALIGN = 64
#: bigger `local` arrays go to scratch memory: registers cannot hold them
STACK_LIMIT = 16_384


def llvm_type(dtype: DType, lanes: int = 1) -> ll.Type:
    """In registers; bool is i1 there and a byte in memory."""
    base = {"f": {4: ll.FloatType(), 8: ll.DoubleType()}.get(dtype.itemsize), "b": I1}.get(dtype.kind)
    base = base or ll.IntType(8 * dtype.itemsize)
    return ll.VectorType(base, lanes) if lanes > 1 else base


def memory_type(dtype: DType, lanes: int = 1) -> ll.Type:
    base = I8 if dtype.kind == "b" else llvm_type(dtype)
    return ll.VectorType(base, lanes) if lanes > 1 else base


def aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN


def scratch_bytes(kernel: Kernel) -> int:
    """Scratch memory that each thread needs for `thread` buffers and big local ones."""
    return sum(aligned(s.buffer.nbytes) for s in walk(kernel.body) if isinstance(s, Alloc) and _in_scratch(s))


def workspace_bytes(kernel: Kernel) -> int:
    """Memory that all threads share for `global` buffers."""
    return sum(aligned(s.buffer.nbytes) for s in walk(kernel.body) if isinstance(s, Alloc) and s.space == "global")


def _in_scratch(s: Alloc) -> bool:
    return s.space == "thread" or (s.space == "local" and s.buffer.nbytes > STACK_LIMIT)


def emit_kernel(module: ll.Module, kernel: Kernel, aliased: bool = False) -> ll.Function:
    """Add the function of a legalized kernel to ``module``; ``aliased``: parameters may overlap."""
    types = [memory_type(p.buffer.dtype).as_pointer() for p in kernel.params]
    signature = ll.FunctionType(ll.VoidType(), [*types, PTR, PTR, I64, I64, PTR])
    function = ll.Function(module, signature, kernel.name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    for argument in function.args[: len(types)]:
        if not aliased:
            argument.add_attribute("noalias")
    _Emitter(module, function, kernel).run()
    return function


class _Emitter:
    def __init__(self, module: ll.Module, function: ll.Function, kernel: Kernel) -> None:
        self.module, self.function, self.kernel = module, function, kernel
        self.entry = ll.IRBuilder(function.append_basic_block("entry"))
        self.b = ll.IRBuilder(function.append_basic_block("body"))
        count = len(kernel.params)
        self.memory: dict[Buffer, Any] = {
            p.buffer: a for p, a in zip(kernel.params, function.args[:count], strict=True)
        }
        self.scratch, self.workspace, self.thread, self.threads, self.barrier = function.args[count:]
        self.scratch_at = self.workspace_at = 0
        self.vars: dict[E.Var, Any] = {}
        self.cache: list[dict[int, Any]] = [{}]
        self.keep: list[Expr] = []

    def run(self) -> None:
        self._top(self.kernel.body)
        self.b.ret_void()
        self.entry.branch(self.function.blocks[1])

    # ---- statements ----

    def _top(self, body: Body) -> None:
        """`par` loops run on all threads, what stands between them on thread 0.

        The threads meet before a phase that reads what an earlier one wrote.
        """
        written: set[Buffer] = set()
        for parallel, phase in _phases(body):
            if any(written & _buffers_read(s) for s in phase):
                self._meet()
                written.clear()
            written |= {w.buffer for w in walk(phase) if isinstance(w, Store)}
            if parallel:
                self._body(phase)
                continue
            with self.b.if_then(self.b.icmp_signed("==", self.thread, ll.Constant(I64, 0))):
                self._body(phase)

    def _meet(self) -> None:
        wait = self.module.globals.get("gt_barrier") or ll.Function(
            self.module, ll.FunctionType(ll.VoidType(), [PTR, I64]), "gt_barrier"
        )
        self.b.call(wait, [self.barrier, self.threads])

    def _body(self, body: Sequence[Stmt]) -> None:
        self.cache.append({})
        for s in body:
            getattr(self, "_" + type(s).__name__.lower())(s)
        self.cache.pop()

    def _barrier(self, _: Barrier) -> None:
        self._meet()

    def _let(self, s: Let) -> None:
        self.vars[s.var] = self.value(s.value)

    def _if(self, s: If) -> None:
        with self.b.if_then(self.value(s.cond)):
            self._body(s.body)

    def _alloc(self, s: Alloc) -> None:
        pointer = memory_type(s.buffer.dtype).as_pointer()
        if s.space == "global":
            at, self.workspace_at = self.workspace_at, self.workspace_at + aligned(s.buffer.nbytes)
            raw = self.entry.gep(self.workspace, [ll.Constant(I64, at)])
            self.memory[s.buffer] = self.entry.bitcast(raw, pointer)
        elif _in_scratch(s):
            at, self.scratch_at = self.scratch_at, self.scratch_at + aligned(s.buffer.nbytes)
            raw = self.entry.gep(self.scratch, [ll.Constant(I64, at)])
            self.memory[s.buffer] = self.entry.bitcast(raw, pointer)
        else:
            cell = self.entry.alloca(ll.ArrayType(memory_type(s.buffer.dtype), max(1, s.buffer.numel)))
            cell.align = _ALIGN
            zero = ll.Constant(I64, 0)
            self.memory[s.buffer] = self.entry.gep(cell, [zero, zero], inbounds=True)

    def _for(self, s: For) -> None:
        extent = self.value(s.extent)
        start, stop = ll.Constant(I64, 0), extent
        if s.kind == "par":
            start = self.b.sdiv(self.b.mul(self.thread, extent), self.threads)
            after = self.b.add(self.thread, ll.Constant(I64, 1))
            stop = self.b.sdiv(self.b.mul(after, extent), self.threads)
        elif s.kind != "for":
            raise ValueError(f"a {s.kind} loop in CPU code: {self.kernel.name}")
        head = self.b.block
        loop, done = self.b.append_basic_block("loop"), self.b.append_basic_block("done")
        self.b.cbranch(self.b.icmp_signed("<", start, stop), loop, done)
        self.b.position_at_end(loop)
        i = self.b.phi(I64, s.var.name)
        i.add_incoming(start, head)
        self.vars[s.var] = i
        self._body(s.body)
        following = self.b.add(i, ll.Constant(I64, 1), flags=["nuw", "nsw"])
        i.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", following, stop), loop, done)
        self.b.position_at_end(done)

    def _store(self, s: Store) -> None:
        index, value = s.indices[0], self.value(s.value)
        if s.buffer.dtype.kind == "b":
            value = self.b.zext(value, memory_type(s.buffer.dtype, s.value.lanes))
        if s.where is not None:
            with self.b.if_then(self.value(s.where)):
                self._put(s, index, value)
        else:
            self._put(s, index, value)
        for frame in self.cache:  # what was loaded before may have changed
            for key in [k for k, (e, _) in frame.items() if _reads(e, s.buffer)]:
                del frame[key]

    def _put(self, s: Store, index: Expr, value: Any) -> None:
        lanes = s.value.lanes
        if lanes == 1:
            self.b.store(value, self._address(s.buffer, index))
        elif isinstance(index, E.Ramp):
            self._store_vector(s.buffer, index, value, lanes)
        else:
            positions = self.value(index)
            for lane in range(lanes):
                at = self.b.extract_element(positions, ll.Constant(I32, lane))
                one = self.b.extract_element(value, ll.Constant(I32, lane))
                self.b.store(one, self.b.gep(self.memory[s.buffer], [at], inbounds=True))

    def _store_vector(self, buffer: Buffer, index: E.Ramp, value: Any, lanes: int) -> None:
        kind = memory_type(buffer.dtype, lanes)
        address = self.b.bitcast(self._address(buffer, index.base), kind.as_pointer())
        self.b.store(value, address, align=buffer.dtype.itemsize)

    def _address(self, buffer: Buffer, index: Expr) -> Any:
        return self.b.gep(self.memory[buffer], [self.value(index)], inbounds=True)

    # ---- expressions ----

    def value(self, e: Expr) -> Any:
        for frame in reversed(self.cache):
            if id(e) in frame:
                return frame[id(e)][1]
        result = _EXPRESSIONS[type(e)](self, e)
        if not isinstance(e, E.Const | E.Var):
            self.cache[-1][id(e)] = e, result
        return result

    def const(self, e: E.Const) -> Any:
        return ll.Constant(llvm_type(e.dtype), e.value)

    def load(self, e: E.Load) -> Any:
        index = e.indices[0]
        if e.lanes == 1:
            value = self._load_scalar(e, index)
        elif isinstance(index, E.Ramp):
            value = self._load_vector(e, index)
        elif isinstance(index, E.Splat) and e.where is None:
            value = self._splat(self.b.load(self._address(e.buffer, index.x)), e.lanes)
        else:
            value = self._gather(e, index)
        if e.dtype.kind == "b":
            value = self.b.trunc(value, llvm_type(e.dtype, e.lanes))
        return value

    def _load_scalar(self, e: E.Load, index: Expr) -> Any:
        if e.where is None:
            return self.b.load(self._address(e.buffer, index))
        inside = self.value(e.where)
        safe = self.b.select(inside, self.value(index), ll.Constant(I64, 0))
        loaded = self.b.load(self.b.gep(self.memory[e.buffer], [safe], inbounds=True))
        return self.b.select(inside, loaded, _zero(memory_type(e.dtype)))

    def _load_vector(self, e: E.Load, index: E.Ramp) -> Any:
        kind = memory_type(e.dtype, e.lanes)
        address = self.b.gep(self.memory[e.buffer], [self.value(index.base)])
        address = self.b.bitcast(address, kind.as_pointer())
        if e.where is None:
            return self.b.load(address, align=e.dtype.itemsize)
        name = f"llvm.masked.load.v{e.lanes}{_suffix(e.dtype)}.p0"
        mask = ll.VectorType(I1, e.lanes)
        function = self._declare(name, kind, [kind.as_pointer(), mask, kind])
        call = self.b.call(function, [address, self.value(e.where), _zero(kind)], arg_attrs={0: ()})
        call.arg_attributes[0].align = e.dtype.itemsize
        return call

    def _gather(self, e: E.Load, index: Expr) -> Any:
        positions, mask = self.value(index), None if e.where is None else self.value(e.where)
        if mask is not None:
            zero = _zero(ll.VectorType(I64, e.lanes))
            positions = self.b.select(mask, positions, zero)
        out: Any = ll.Constant(memory_type(e.dtype, e.lanes), ll.Undefined)
        for lane in range(e.lanes):
            number = ll.Constant(I32, lane)
            at = self.b.extract_element(positions, number)
            one = self.b.load(self.b.gep(self.memory[e.buffer], [at], inbounds=True))
            out = self.b.insert_element(out, one, number)
        if mask is None:
            return out
        return self.b.select(mask, out, _zero(memory_type(e.dtype, e.lanes)))

    def unary(self, e: E.Unary) -> Any:
        return _UNARY[e.fn](self, e, self.value(e.x))

    def binary(self, e: E.Binary) -> Any:
        a, b = self.value(e.a), self.value(e.b)
        if e.fn in E.COMPARE:
            return self._compare(e, a, b)
        found = _BINARY.get((e.fn, _kind(e.a.dtype))) or _BINARY[e.fn, ""]
        return found(self, e, a, b)

    def _compare(self, e: E.Binary, a: Any, b: Any) -> Any:
        symbol = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}[e.fn]
        if e.a.dtype.kind == "f":
            return (self.b.fcmp_unordered if e.fn == "ne" else self.b.fcmp_ordered)(symbol, a, b)
        signed = e.a.dtype.kind == "i"
        return (self.b.icmp_signed if signed else self.b.icmp_unsigned)(symbol, a, b)

    def select(self, e: E.Select) -> Any:
        return self.b.select(self.value(e.cond), self.value(e.a), self.value(e.b))

    def cast(self, e: E.Cast) -> Any:
        x, source, to = self.value(e.x), e.x.dtype, e.dtype
        kind = llvm_type(to, e.lanes)
        if to.kind == "b":
            zero = _zero(llvm_type(source, e.lanes))
            if source.kind == "f":
                return self.b.fcmp_unordered("!=", x, zero)
            return self.b.icmp_signed("!=", x, zero)
        if source.kind == "f" and to.kind == "f":
            return (self.b.fpext if to.itemsize > source.itemsize else self.b.fptrunc)(x, kind)
        if source.kind == "f":
            wide = llvm_type(int64, e.lanes)
            return self._resize(self.b.fptosi(x, wide), wide, kind, True, to.itemsize, 8)
        if to.kind == "f":
            return (self.b.sitofp if source.kind == "i" else self.b.uitofp)(x, kind)
        size = 0 if source.kind == "b" else source.itemsize
        return self._resize(x, kind, kind, source.kind == "i", to.itemsize, size)

    def _resize(self, x: Any, _: Any, kind: Any, signed: bool, to: int, source: int) -> Any:
        if to == source:
            return x
        if to < source:
            return self.b.trunc(x, kind)
        return (self.b.sext if signed else self.b.zext)(x, kind)

    def ramp(self, e: E.Ramp) -> Any:
        steps = ll.Constant(ll.VectorType(I64, e.lanes), [ll.Constant(I64, i) for i in range(e.lanes)])
        return self.b.add(self._splat(self.value(e.base), e.lanes), steps)

    def splat(self, e: E.Splat) -> Any:
        return self._splat(self.value(e.x), e.lanes)

    def _splat(self, x: Any, lanes: int) -> Any:
        if isinstance(x, ll.Constant):
            return ll.Constant(ll.VectorType(x.type, lanes), [x] * lanes)
        undefined = ll.Constant(ll.VectorType(x.type, lanes), ll.Undefined)
        one = self.b.insert_element(undefined, x, ll.Constant(I32, 0))
        zeros = ll.Constant(ll.VectorType(I32, lanes), [ll.Constant(I32, 0)] * lanes)
        return self.b.shuffle_vector(one, undefined, zeros)

    def intrinsic(self, name: str, e: Expr, *args: Any) -> Any:
        kind = llvm_type(e.dtype, e.lanes)
        lanes = f"v{e.lanes}" if e.lanes > 1 else ""
        return self.b.call(self._declare(f"llvm.{name}.{lanes}{_suffix(e.dtype)}", kind, [kind] * len(args)), args)

    def _declare(self, name: str, result: ll.Type, args: list[ll.Type]) -> ll.Function:
        found = self.module.globals.get(name)
        return found or ll.Function(self.module, ll.FunctionType(result, args), name)


def _phases(body: Body) -> list[tuple[bool, list[Stmt]]]:
    """Each `par` loop by itself; the statements between them together; allocations with what follows."""
    phases: list[tuple[bool, list[Stmt]]] = []
    allocs: list[Stmt] = []
    for s in body:
        parallel = isinstance(s, For) and s.kind == "par"
        if isinstance(s, Alloc):
            allocs.append(s)
        elif not parallel and phases and not phases[-1][0]:
            phases[-1][1].extend([*allocs, s])
            allocs = []
        else:
            phases.append((parallel, [*allocs, s]))
            allocs = []
    return phases


def _buffers_read(s: Stmt) -> set[Buffer]:
    found: set[Buffer] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, E.Load):
            found.add(e.buffer)

    for inner in walk([s]):
        for e in exprs_of(inner):
            E.walk(e, visit)
    return found


def _reads(e: Expr, buffer: Buffer) -> bool:
    found = False

    def visit(x: Expr) -> None:
        nonlocal found
        found = found or (isinstance(x, E.Load) and x.buffer is buffer)

    E.walk(e, visit)
    return found


def _zero(kind: ll.Type) -> ll.Constant:
    if isinstance(kind, ll.VectorType):
        return ll.Constant(kind, [_zero(kind.element)] * kind.count)
    return ll.Constant(kind, 0.0 if isinstance(kind, ll.FloatType | ll.DoubleType) else 0)


def _suffix(dtype: DType) -> str:
    return f"f{8 * dtype.itemsize}" if dtype.kind == "f" else f"i{8 * dtype.itemsize}"


def _kind(dtype: DType) -> str:
    return {"f": "f", "b": "b"}.get(dtype.kind, "i")


_EXPRESSIONS: dict[type, Callable[[_Emitter, Any], Any]] = {
    E.Const: _Emitter.const,
    E.Var: lambda self, e: self.vars[e],
    E.Load: _Emitter.load,
    E.Unary: _Emitter.unary,
    E.Binary: _Emitter.binary,
    E.Select: _Emitter.select,
    E.Cast: _Emitter.cast,
    E.Ramp: _Emitter.ramp,
    E.Splat: _Emitter.splat,
}


def _intrinsic(name: str) -> Callable[[_Emitter, Any, Any], Any]:
    return lambda self, e, x: self.intrinsic(name, e, x)


def _neg(self: _Emitter, e: E.Unary, x: Any) -> Any:
    return self.b.fneg(x) if e.dtype.kind == "f" else self.b.neg(x)


def _abs(self: _Emitter, e: E.Unary, x: Any) -> Any:
    if e.dtype.kind == "f":
        return self.intrinsic("fabs", e, x)
    if e.dtype.kind == "u":
        return x
    return self.b.select(self.b.icmp_signed("<", x, _zero(x.type)), self.b.neg(x), x)


def _libm(name: str) -> Callable[[_Emitter, Any, Any], Any]:
    """A function of the C library, lane by lane: LLVM has no intrinsic for it."""

    def emit(self: _Emitter, e: E.Unary, x: Any) -> Any:
        scalar = llvm_type(e.dtype)
        function = self._declare(name + ("f" if e.dtype.itemsize == 4 else ""), scalar, [scalar])
        if e.lanes == 1:
            return self.b.call(function, [x])
        out: Any = ll.Constant(x.type, ll.Undefined)
        for lane in range(e.lanes):
            number = ll.Constant(I32, lane)
            one = self.b.call(function, [self.b.extract_element(x, number)])
            out = self.b.insert_element(out, one, number)
        return out

    return emit


_UNARY: dict[str, Callable[[_Emitter, Any, Any], Any]] = {
    "neg": _neg,
    "not": lambda self, e, x: self.b.not_(x),
    "abs": _abs,
    "round": _intrinsic("rint"),
    **{n: _intrinsic(n) for n in "exp exp2 log log2 sqrt sin cos floor ceil trunc".split()},
    **{n: _libm(n) for n in "expm1 log1p tan tanh erf asin acos atan sinh cosh".split()},
}
_CONTRACT = ("contract",)


def _max(self: _Emitter, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(self, e, a, b, ">", "maximum")


def _min(self: _Emitter, e: E.Binary, a: Any, b: Any) -> Any:
    return _extremum(self, e, a, b, "<", "minimum")


def _extremum(self: _Emitter, e: E.Binary, a: Any, b: Any, symbol: str, name: str) -> Any:
    if e.dtype.kind != "f":
        signed = e.dtype.kind == "i"
        compare = self.b.icmp_signed if signed else self.b.icmp_unsigned
        return self.b.select(compare(symbol, a, b), a, b)
    constant = e.b.x if isinstance(e.b, E.Splat) else e.b
    if isinstance(constant, E.Const) and constant.value == constant.value:
        return self.b.select(self.b.fcmp_ordered(symbol, b, a), b, a)  # nan in a is kept
    return self.intrinsic(name, e, a, b)


def _floordiv(self: _Emitter, e: E.Binary, a: Any, b: Any) -> Any:
    if e.dtype.kind == "u" or E.bounds(e.a)[0] >= 0:
        return (self.b.udiv if e.dtype.kind == "u" else self.b.sdiv)(a, b)
    quotient = self.b.sdiv(a, b)
    exact = self.b.icmp_signed("==", self.b.mul(quotient, b), a)
    apart = self.b.icmp_signed("<", self.b.xor(a, b), _zero(a.type))
    down = self.b.and_(self.b.not_(exact), apart)
    return self.b.add(quotient, self.b.sext(down, a.type))


def _mod(self: _Emitter, e: E.Binary, a: Any, b: Any) -> Any:
    if e.dtype.kind == "u" or E.bounds(e.a)[0] >= 0:
        return (self.b.urem if e.dtype.kind == "u" else self.b.srem)(a, b)
    return self.b.sub(a, self.b.mul(_floordiv(self, e, a, b), b))


_BINARY: dict[tuple[str, str], Callable[[_Emitter, Any, Any, Any], Any]] = {
    ("add", "f"): lambda self, e, a, b: self.b.fadd(a, b, flags=_CONTRACT),
    ("sub", "f"): lambda self, e, a, b: self.b.fsub(a, b, flags=_CONTRACT),
    ("mul", "f"): lambda self, e, a, b: self.b.fmul(a, b, flags=_CONTRACT),
    ("div", "f"): lambda self, e, a, b: self.b.fdiv(a, b),
    ("pow", "f"): lambda self, e, a, b: self.intrinsic("pow", e, a, b),
    ("add", "i"): lambda self, e, a, b: self.b.add(a, b),
    ("sub", "i"): lambda self, e, a, b: self.b.sub(a, b),
    ("mul", "i"): lambda self, e, a, b: self.b.mul(a, b),
    ("floordiv", "i"): _floordiv,
    ("mod", "i"): _mod,
    ("max", ""): _max,
    ("min", ""): _min,
    ("and", ""): lambda self, e, a, b: self.b.and_(a, b),
    ("or", ""): lambda self, e, a, b: self.b.or_(a, b),
    ("xor", ""): lambda self, e, a, b: self.b.xor(a, b),
    ("shl", ""): lambda self, e, a, b: self.b.shl(a, b),
    ("shr", ""): lambda self, e, a, b: (self.b.lshr if e.dtype.kind == "u" else self.b.ashr)(a, b),
}
