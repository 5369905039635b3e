"""The Kernel IR: one loop language for two targets.

    text    ::= ["sizes" (name "=" int),+] kernel                   sizes that are not known, each with an example
    kernel  ::= "kernel" "@"name "(" param,* ")" "{" stmt* "}"
    param   ::= "%"name ":" type ["out" | "stream" | "inout"]      a dense row-major array in memory
    stmt    ::= kind binder "in" expr "{" stmt* "}"                 the variable runs over 0 .. expr-1
              | "let" binder "=" expr
              | "store" element "," expr
              | "alloc" space "%"name ":" type                      lives until the end of its block
              | "if" expr "{" stmt* "}"
              | "prefetch" element                                  brings it nearer, wherever it is; it may be none
              | "barrier"                                           of the threads of a block, or of all CPU threads
              | "copy" element "," "load" element                   to shared memory, past registers; 0 if not guard
              | "commit"                                            what the thread copied since the last is a group
              | "wait" int                                          all its groups but the last so many have landed
              | ("fragment" | "fragment.t") element "," element     a warp: 4 matrices of 8 x 8 into its registers
              | ("mma.tf32" | "mma.bf16" | "mma.f16") element "," element "," element    a warp: c += a @ b
    binder  ::= "%"name [":" (size | "?")]                          the variable's known extent, "?" for none, where it
                                                                    is not a loop's constant or a let's none
    element ::= "%"name "[" expr,* "]" ["if" expr]
    kind    ::= "for" | "par" | "unroll" | "vec" | "block.x" .. "block.z" | "thread.x" .. "thread.z"
    space   ::= "local" | "thread" | "shared" | "global"

    expr    ::= int | float | "inf" | "nan" | "true" | "false"      i64, f32 and bool constants
              | number ":" dtype                                    constants of other dtypes: 0.0:f64, 1:i32
              | "size" "(" size ")"                                 of sizes that are not known; an i64
              | "%"name
              | "load" element
              | "(" expr op expr ")"                                op: + - * / // % < <= > >= == != & | ^ << >>
              | fn "(" expr,* ")"                                   max(a, b), neg(x): what UNARY and BINARY name
              | "select" "(" expr "," expr "," expr ")"
              | dtype "(" expr ")"                                  a cast
              | "ramp" "(" expr "," int ["," ["-"] int] ")"               lanes, and the step if it is not 1
              | "splat" "(" expr "," int ")"

    size    ::= ["-"] product (("+" | "-") product)*                also in types: f32[784*B]
    product ::= factor ("*" factor)*
    factor  ::= int | name | "((" size ")" ("//" | "%") (int | name | "(" size ")") ")"

A line end closes a statement, so that an `if` on the next line is a statement and not the guard of a
`load`. Infix operators have spaces around them; ``#`` starts a comment. What expressions mean stands in
graphtorch/ir/expr. `par` divides iterations among CPU threads, `vec` becomes vector instructions
(legalize.py turns it into Ramp and Splat), `block` and `thread` are the CUDA grid. Spaces: `local` is
registers or the stack, `thread` is scratch memory of one CPU thread, `shared` is a block's shared memory,
`global` is a workspace that all threads see. A `stream` is an output that is written once and read by nobody soon:
its stores may go past the caches.

A `copy` lands at a `wait` of its thread, and is seen by others behind the next barrier; a `vec` loop of nothing but a
copy is one access. `fragment` and `mma` are a warp's: all 32 lanes come to them. Their elements are the first of a
lane's registers of 32 bits, which hold a float32 or two 16-bit floats (the lower one first), as in PTX's `ldmatrix` and
`mma.sync` (warp.py says which element is whose).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graphtorch.codegen.warp import Commit, Copy, Fragment, Mma, Wait, elements_of, with_elements
from graphtorch.ir.expr import Buffer, Expr, ExprLike, Load, Memo, Var, as_expr, const, narrowed, substitute
from graphtorch.ir.expr import walk as walk_expr
from graphtorch.ir.types import LOW_PRECISION, int64

Kind = Literal["for", "par", "unroll", "vec", "block.x", "block.y", "block.z", "thread.x", "thread.y", "thread.z"]
Space = Literal["local", "thread", "shared", "global"]
Mode = Literal["in", "out", "stream", "inout"]
KINDS: tuple[Kind, ...] = (
    "for", "par", "unroll", "vec", "block.x", "block.y", "block.z", "thread.x", "thread.y", "thread.z"
)  # fmt: skip
SPACES: tuple[Space, ...] = ("local", "thread", "shared", "global")


@dataclass(frozen=True, eq=False, slots=True)
class For:
    var: Var
    extent: Expr
    kind: Kind
    body: tuple[Stmt, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Let:
    var: Var
    value: Expr


@dataclass(frozen=True, eq=False, slots=True)
class Store:
    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr
    where: Expr | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Alloc:
    buffer: Buffer
    space: Space


@dataclass(frozen=True, eq=False, slots=True)
class If:
    cond: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Prefetch:
    """A hint, which changes no result. The element may lie outside of the buffer."""

    buffer: Buffer
    indices: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Barrier:
    pass


Stmt = For | Let | Store | Alloc | If | Prefetch | Barrier | Copy | Commit | Wait | Fragment | Mma
Body = tuple[Stmt, ...]


@dataclass(frozen=True, eq=False)
class Param:
    buffer: Buffer
    mode: Mode


@dataclass(frozen=True, eq=False)
class Kernel:
    """``params`` in call order; ``body`` runs once per launch.

    ``waits`` says whether CPU threads meet at its end. If not, whoever launches it has them meet before they need
    its results.
    """

    name: str
    params: tuple[Param, ...]
    body: Body
    waits: bool = True

    def __str__(self) -> str:
        from graphtorch.codegen.kernel_text import print_kernel

        return print_kernel(self)

    def with_body(self, body: Sequence[Stmt]) -> Kernel:
        return replace(self, body=tuple(body))


# ---- construction ---------------------------------------------------------------------------------


def loop(name: str, extent: int | Expr, body: Callable[[Var], Sequence[Stmt] | Stmt], kind: Kind = "for") -> For:
    """``kind %name in extent { body(%name) }``; the variable's range is known where the extent is."""
    size = extent if isinstance(extent, Expr) else const(extent, int64)
    known = extent if isinstance(extent, int) else None
    var = Var(name, int64, known)
    inner = body(var)
    return For(var, size, kind, tuple(inner) if isinstance(inner, Sequence) else (inner,))


def store(buffer: Buffer, indices: Sequence[ExprLike], value: ExprLike, where: Expr | None = None) -> Store:
    """``buffer[indices] = value``; into 16-bit floats float32 is rounded."""
    index = tuple(as_expr(i, int64) for i in indices)
    new = as_expr(value, buffer.dtype)
    return Store(buffer, index, narrowed(new, buffer.dtype) if buffer.dtype in LOW_PRECISION else new, where)


# ---- traversal ------------------------------------------------------------------------------------


def body_of(stmt: Stmt) -> Body:
    return stmt.body if isinstance(stmt, For | If) else ()


def walk(body: Sequence[Stmt]) -> Iterator[Stmt]:
    """Every statement, outer before inner."""
    for stmt in body:
        yield stmt
        yield from walk(body_of(stmt))


def has_parallel_loop(body: Sequence[Stmt]) -> bool:
    """Whether there is work for more than one CPU thread."""
    return any(isinstance(s, For) and s.kind == "par" for s in walk(body))


def exprs_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions that stand directly in a statement."""
    match stmt:
        case For():
            return (stmt.extent,)
        case Let():
            return (stmt.value,)
        case Store():
            where = () if stmt.where is None else (stmt.where,)
            return (*stmt.indices, stmt.value, *where)
        case If():
            return (stmt.cond,)
        case Prefetch():
            return stmt.indices
        case Copy():
            return (*stmt.indices, stmt.value)
        case Fragment() | Mma():
            return tuple(i for _, indices in elements_of(stmt) for i in indices)
    return ()


def buffers_read(body: Sequence[Stmt]) -> set[Buffer]:
    """What the statements load from."""
    found: set[Buffer] = set()

    def visit(e: Expr) -> None:
        if isinstance(e, Load):
            found.add(e.buffer)

    seen: set[int] = set()  # by id: the expressions live as long as the body
    for inner in walk(body):
        for e in exprs_of(inner):
            walk_expr(e, visit, seen)
    return found


def buffers_written(body: Sequence[Stmt]) -> set[Buffer]:
    """What the statements store to."""
    stored = {s.buffer for s in walk(body) if isinstance(s, Store | Copy)}
    return stored | {elements_of(s)[0][0] for s in walk(body) if isinstance(s, Fragment | Mma)}


def map_exprs(body: Sequence[Stmt], f: Callable[[Expr], Expr]) -> Body:
    """The same statements over ``f`` of every expression."""
    out: list[Stmt] = []
    for s in body:
        match s:
            case For():
                out.append(For(s.var, f(s.extent), s.kind, map_exprs(s.body, f)))
            case Let():
                out.append(Let(s.var, f(s.value)))
            case Store():
                where = None if s.where is None else f(s.where)
                out.append(Store(s.buffer, tuple(map(f, s.indices)), f(s.value), where))
            case If():
                out.append(If(f(s.cond), map_exprs(s.body, f)))
            case Prefetch():
                out.append(Prefetch(s.buffer, tuple(map(f, s.indices))))
            case Copy():
                value = f(s.value)
                assert isinstance(value, Load)  # what is read may be read elsewhere, but stays a read
                out.append(Copy(s.buffer, tuple(map(f, s.indices)), value))
            case Fragment() | Mma():
                out.append(with_elements(s, [(b, tuple(map(f, at))) for b, at in elements_of(s)]))
            case _:
                out.append(s)
    return tuple(out)


def replace_vars(body: Sequence[Stmt], env: dict[Var, Expr]) -> Body:
    """Substitute variables in every expression."""
    memo: Memo = {}
    return map_exprs(body, lambda e: substitute(e, env, memo))
