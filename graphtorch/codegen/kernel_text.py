"""Kernel IR as text: printer and parser of one grammar, lossless.

The grammar is at the top of kernel_ir.py. Names are unique in a kernel: the printer renames what clashes.
"""

from __future__ import annotations

from graphtorch.codegen.kernel_grammar import INFIX, Names, load_lanes, obvious_extent
from graphtorch.codegen.kernel_ir import Alloc, Barrier, Body, For, If, Kernel, Let, Prefetch, Stmt, Store, exprs_of
from graphtorch.codegen.kernel_parser import Parser
from graphtorch.codegen.kernel_sizes import examples_of
from graphtorch.codegen.warp import Commit, Copy, Fragment, Mma, Wait, elements_of
from graphtorch.ir.dim import is_dynamic, same
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import Binary, Buffer, Cast, Const, Expr, Load, Ramp, Select, Splat, Unary, Var, children
from graphtorch.ir.types import DType, TensorType, float32, int64


def print_kernel(kernel: Kernel) -> str:
    """The text of ``kernel``; equal for kernels that `same_kernel` cannot tell apart."""
    return _Printer(kernel).kernel()


def parse_kernel(text: str) -> Kernel:
    """The kernel that ``text`` spells, node by node: nothing is simplified. IRError GT820 points at a mistake."""
    return Parser(text).kernel()


def statement_text(kernel: Kernel, stmt: Stmt) -> str:
    """The first line of ``stmt`` as it stands in the text of ``kernel``; for messages."""
    printer = _Printer(kernel)
    printer.kernel()
    return printer.heads.get(id(stmt), type(stmt).__name__)


class _Printer:
    def __init__(self, kernel: Kernel) -> None:
        self.k = kernel
        self.names = Names(kernel)
        self.heads: dict[int, str] = {}

    def kernel(self) -> str:
        params = ", ".join(
            f"%{self.names.bind(p.buffer)}: {_type(p.buffer)}" + ("" if p.mode == "in" else f" {p.mode}")
            for p in self.k.params
        )
        sizes = ", ".join(f"{name}={example}" for name, example in examples_of(self.k).items())
        return "\n".join(
            [
                *([f"sizes {sizes}"] if sizes else []),
                f"kernel @{self.k.name}({params}) {{",
                *self.body(self.k.body),
                "}\n",
            ]
        )

    # ---- statements ----

    def body(self, body: Body) -> list[str]:
        return [f"  {line}" for s in body for line in self.stmt(s)]

    def stmt(self, s: Stmt) -> list[str]:
        head = self.head(s)
        self.heads.setdefault(id(s), head)
        return [f"{head} {{", *self.body(s.body), "}"] if isinstance(s, For | If) else [head]

    def head(self, s: Stmt) -> str:
        match s:
            case For():
                extent = self.expr(s.extent)
                return f"{s.kind} {self.binder(s.var, obvious_extent(s.extent))} in {extent}"
            case Let():
                value = self.expr(s.value)
                return f"let {self.binder(s.var, None)} = {value}"
            case Store():
                return f"store {self.element(s.buffer, s.indices, s.where)}, {self.expr(s.value)}"
            case Alloc():
                return f"alloc {s.space} %{self.names.bind(s.buffer)}: {_type(s.buffer)}"
            case If():
                return f"if {self.expr(s.cond)}"
            case Prefetch():
                return f"prefetch {self.element(s.buffer, s.indices, None)}"
            case Barrier():
                return "barrier"
            case Copy():
                return f"copy {self.element(s.buffer, s.indices, None)}, {self.expr(s.value)}"
            case Commit():
                return "commit"
            case Wait():
                return f"wait {s.count}"
            case Fragment() | Mma():
                return f"{_warp_word(s)} {', '.join(self.element(*e, None) for e in elements_of(s))}"

    def binder(self, var: Var, obvious: int | None) -> str:
        name = self.names.bind(var)
        if same(var.extent, obvious):
            return f"%{name}"
        return f"%{name}:{'?' if var.extent is None else var.extent}"

    def element(self, buffer: Buffer, indices: tuple[Expr, ...], where: Expr | None) -> str:
        guard = "" if where is None else f" if {self.expr(where)}"
        return f"%{self.names[buffer]}[{', '.join(map(self.expr, indices))}]{guard}"

    # ---- expressions ----

    def expr(self, e: Expr) -> str:
        match e:
            case Const():
                return const_text(e)
            case Var():
                return f"%{self.names[e]}"
            case Load():
                self.require_lanes(e)
                return f"load {self.element(e.buffer, e.indices, e.where)}"
            case Binary(fn=fn) if fn in INFIX:
                return f"({self.expr(e.a)} {INFIX[fn]} {self.expr(e.b)})"
            case Binary():
                return f"{e.fn}({self.expr(e.a)}, {self.expr(e.b)})"
            case Unary():
                return f"{e.fn}({self.expr(e.x)})"
            case Select():
                return f"select({self.expr(e.cond)}, {self.expr(e.a)}, {self.expr(e.b)})"
            case Cast():
                return f"{e.dtype.short}({self.expr(e.x)})"
            case Ramp():
                step = "" if e.step == 1 else f", {e.step}"
                return f"ramp({self.expr(e.base)}, {e.lanes}{step})"
            case Splat():
                return f"splat({self.expr(e.x)}, {e.lanes})"
        raise TypeError(f"not an expression: {e!r}")

    def require_lanes(self, e: Load) -> None:
        wanted = load_lanes(e.indices, e.where)
        if e.lanes != wanted:
            message = f"a load of %{e.buffer.name} has {e.lanes} lanes, its index and guard {wanted}"
            raise IRError("GT821", f"{message} in kernel @{self.k.name}")


def _warp_word(s: Fragment | Mma) -> str:
    if isinstance(s, Mma):
        return f"mma.{s.kind}"
    return "fragment.t" if s.transposed else "fragment"


def _type(buffer: Buffer) -> str:
    return str(TensorType(buffer.shape, buffer.dtype))


def const_text(e: Const) -> str:
    """A literal that parses back to the same dtype and value."""
    if is_dynamic(e.value):
        return f"size({e.value})"
    if isinstance(e.value, bool):
        return str(e.value).lower()
    text = repr(e.value)
    return text if e.dtype == _literal_dtype(e.value) else f"{text}:{e.dtype.short}"


def _literal_dtype(value: int | float) -> DType:
    return float32 if isinstance(value, float) else int64


# ---- equality -------------------------------------------------------------------------------------


def same_kernel(a: Kernel, b: Kernel) -> bool:
    """Structural equality: the same text but for the names of what is bound inside."""
    return _Same().kernel(a, b)


class _Same:
    """Walks two kernels side by side; ``partner`` maps what the first binds to what the second does."""

    def __init__(self) -> None:
        self.partner: dict[Var | Buffer, Var | Buffer] = {}
        self.equal: set[tuple[int, int]] = set()

    def kernel(self, a: Kernel, b: Kernel) -> bool:
        if a.name != b.name or [p.mode for p in a.params] != [p.mode for p in b.params]:
            return False
        params = zip(a.params, b.params, strict=True)
        return all(self.bind(x.buffer, y.buffer) for x, y in params) and self.body(a.body, b.body)

    def body(self, a: Body, b: Body) -> bool:
        return len(a) == len(b) and all(map(self.stmt, a, b))

    def stmt(self, a: Stmt, b: Stmt) -> bool:
        if type(a) is not type(b) or not self.exprs(exprs_of(a), exprs_of(b)):
            return False
        self.equal.clear()  # what is bound next may change what a variable means
        match a, b:
            case For(), For():
                return a.kind == b.kind and self.bind(a.var, b.var) and self.body(a.body, b.body)
            case Let(), Let():
                return self.bind(a.var, b.var)
            case Store(), Store():
                return self.partner.get(a.buffer) is b.buffer and (a.where is None) == (b.where is None)
            case Copy(), Copy():
                return self.partner.get(a.buffer) is b.buffer
            case Wait(), Wait():
                return a.count == b.count
            case ((Fragment() | Mma()), (Fragment() | Mma())):
                pairs = zip(elements_of(a), elements_of(b), strict=True)
                return _warp_word(a) == _warp_word(b) and all(self.partner.get(x[0]) is y[0] for x, y in pairs)
            case Alloc(), Alloc():
                return a.space == b.space and self.bind(a.buffer, b.buffer)
            case If(), If():
                return self.body(a.body, b.body)
        return True

    def bind(self, a: Var | Buffer, b: Var | Buffer) -> bool:
        self.partner[a] = b
        return same(_signature(a), _signature(b))

    def exprs(self, a: tuple[Expr, ...], b: tuple[Expr, ...]) -> bool:
        return len(a) == len(b) and all(map(self.expr, a, b))

    def expr(self, a: Expr, b: Expr) -> bool:
        if (id(a), id(b)) in self.equal:
            return True
        same = self.root(a, b) and self.exprs(children(a), children(b))
        if same:
            self.equal.add((id(a), id(b)))
        return same

    def root(self, a: Expr, b: Expr) -> bool:
        if type(a) is not type(b) or a.lanes != b.lanes or a.dtype != b.dtype:
            return False
        match a, b:
            case Const(), Const():
                return repr(a.value) == repr(b.value)
            case Var(), Var():
                return self.partner.get(a) is b
            case Load(), Load():
                return self.partner.get(a.buffer) is b.buffer and (a.where is None) == (b.where is None)
            case Unary(), Unary():
                return a.fn == b.fn
            case Binary(), Binary():
                return a.fn == b.fn
        return True


def _signature(item: Var | Buffer) -> tuple[object, ...]:
    if isinstance(item, Var):
        return Var, item.dtype, item.extent, item.lanes
    return Buffer, item.dtype, item.shape
