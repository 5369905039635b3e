"""The parser behind kernel_text.py, where the grammar stands."""

from __future__ import annotations

from collections.abc import Callable

from graphtorch.codegen.kernel_grammar import INFIX, load_lanes, obvious_extent
from graphtorch.codegen.kernel_ir import (
    KINDS,
    SPACES,
    Alloc,
    Barrier,
    Body,
    For,
    If,
    Kernel,
    Let,
    Mode,
    Param,
    Prefetch,
    Stmt,
    Store,
)
from graphtorch.codegen.kernel_lexer import Reader
from graphtorch.codegen.warp import Commit, Copy, Element, Fragment, Mma, Precision, Wait
from graphtorch.ir.expr import (
    BINARY,
    UNARY,
    Binary,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
)
from graphtorch.ir.types import BY_SHORT, DType, bool_, float32, int64

_BY_SYMBOL = {symbol: fn for fn, symbol in INFIX.items()}
_SPECIAL = {"inf": float("inf"), "nan": float("nan")}
_MODES: tuple[Mode, ...] = ("in", "out", "stream", "inout")


class Parser(Reader):
    """Recursive descent; builds nodes directly, so that nothing is simplified."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.vars: dict[str, Var] = {}
        self.buffers: dict[str, Buffer] = {}

    # ---- kernel and statements ----

    def kernel(self) -> Kernel:
        self.skip_lines()
        self.named_sizes()
        self.expect("kernel")
        name = self.take("kernel", "a name such as @fused_0")[1:]
        self.expect("(")
        params = self.listed(self.param, ")")
        body = self.block()
        self.skip_lines()
        if self.next.kind != "end":
            self.fail("the end of the text")
        return Kernel(name, params, body)

    def param(self) -> Param:
        buffer = self.buffer()
        mode = self.one_of(_MODES, "a mode") if self.next.kind == "word" else "in"
        return Param(buffer, mode)

    def buffer(self) -> Buffer:
        """``%name: type``, bound from here on."""
        name = self.fresh_name()
        self.expect(":")
        dtype = self.dtype()
        self.expect("[")
        self.buffers[name] = buffer = Buffer(name, self.listed(self.size, "]"), dtype)
        return buffer

    def fresh_name(self) -> str:
        name = self.next.text[1:]
        if name in self.vars or name in self.buffers:
            self.fail("a name that is not bound yet")
        self.take("var", "a name such as %i")
        return name

    def dtype(self) -> DType:
        return BY_SHORT[self.one_of(tuple(BY_SHORT), "a dtype")]

    def block(self) -> Body:
        self.expect("{")
        out: list[Stmt] = []
        self.skip_lines()
        while not self.accept("}"):
            out.append(self.stmt())
            if self.next.text != "}" and self.next.kind != "line":
                self.fail("the end of the statement")
            self.skip_lines()
        return tuple(out)

    def stmt(self) -> Stmt:
        word = self.next.text
        if word in KINDS:
            return self.loop()
        parse = self._STATEMENTS.get(word)
        if parse is None:
            self.fail("a statement")
        self.at += 1
        return parse(self)

    def loop(self) -> For:
        kind = self.one_of(KINDS, "a kind of loop")
        name, extent_given, known = self.binder()
        self.expect("in")
        extent = self.expr()
        var = Var(name, extent.dtype, known if extent_given else obvious_extent(extent))
        self.vars[name] = var
        return For(var, extent, kind, self.block())

    def binder(self) -> tuple[str, bool, int | None]:
        """(name, whether an extent is written, which)."""
        name = self.fresh_name()
        if not self.accept(":"):
            return name, False, None
        return name, True, None if self.accept("?") else self.size()

    def let(self) -> Let:
        name, _, extent = self.binder()
        self.expect("=")
        value = self.expr()
        self.vars[name] = var = Var(name, value.dtype, extent, value.lanes)
        return Let(var, value)

    def store(self) -> Store:
        buffer, indices, where = self.element()
        self.expect(",")
        return Store(buffer, indices, self.expr(), where)

    def prefetch(self) -> Prefetch:
        return Prefetch(*self.plain_element())

    def plain_element(self) -> Element:
        buffer, indices, where = self.element()
        if where is not None:
            self.fail("an element without a condition")
        return buffer, indices

    def copy(self) -> Copy:
        buffer, indices = self.plain_element()
        self.expect(",")
        value = self.expr()
        if not isinstance(value, Load):
            self.fail("a load, which is all that can be copied")
        return Copy(buffer, indices, value)

    def fragment(self, transposed: bool) -> Fragment:
        to = self.plain_element()
        self.expect(",")
        return Fragment(to, self.plain_element(), transposed)

    def mma(self, kind: Precision) -> Mma:
        c = self.plain_element()
        self.expect(",")
        a = self.plain_element()
        self.expect(",")
        return Mma(kind, c, a, self.plain_element())

    def alloc(self) -> Alloc:
        space = self.one_of(SPACES, "a space")
        return Alloc(self.buffer(), space)

    def branch(self) -> If:
        cond = self.expr()
        return If(cond, self.block())

    _STATEMENTS: dict[str, Callable[[Parser], Stmt]] = {
        "let": let, "store": store, "alloc": alloc, "if": branch, "prefetch": prefetch,
        "barrier": lambda self: Barrier(), "copy": copy, "commit": lambda self: Commit(),
        "wait": lambda self: Wait(self.integer()), "fragment": lambda self: self.fragment(False),
        "fragment.t": lambda self: self.fragment(True), "mma.tf32": lambda self: self.mma("tf32"),
        "mma.bf16": lambda self: self.mma("bf16"), "mma.f16": lambda self: self.mma("f16"),
    }  # fmt: skip

    def element(self) -> tuple[Buffer, tuple[Expr, ...], Expr | None]:
        """``%buffer[indices] if guard``; the guard must be on the same line."""
        buffer = self.buffers.get(self.next.text[1:])
        if buffer is None:
            self.fail("the name of a buffer")
        self.at += 1
        self.expect("[")
        indices = self.listed(self.expr, "]")
        return buffer, indices, self.expr() if self.accept("if") else None

    # ---- expressions ----

    def expr(self) -> Expr:
        token = self.next
        if token.kind == "number" or token.text == "-" or token.text in _SPECIAL:
            return self.number()
        if token.kind == "var":
            return self.variable()
        if self.accept("("):
            return self.infix()
        if token.kind == "word":
            self.at += 1
            return self.word(token.text)
        self.fail("an expression")

    def number(self) -> Const:
        negative = self.accept("-")
        text = self.next.text
        if text in _SPECIAL:
            value: int | float = _SPECIAL[text]
            self.at += 1
        else:
            text = self.take("number", "a number")
            value = int(text) if text.isdigit() else float(text)
        dtype = self.dtype() if self.accept(":") else float32 if isinstance(value, float) else int64
        return Const(-value if negative else value, dtype)

    def variable(self) -> Var:
        var = self.vars.get(self.next.text[1:])
        if var is None:
            self.fail("the name of a variable")
        self.at += 1
        return var

    def infix(self) -> Expr:
        a = self.expr()
        fn = _BY_SYMBOL.get(self.next.text)
        if fn is None:
            self.fail(f"an operator with spaces around it: {' '.join(_BY_SYMBOL)}")
        self.at += 1
        b = self.expr()
        self.expect(")")
        return self.typed(Binary(fn, a, b))

    def word(self, word: str) -> Expr:
        """What starts with a word: a truth value, a load or a call."""
        if word in ("true", "false"):
            return Const(word == "true", bool_)
        if word == "load":
            buffer, indices, where = self.element()
            return Load(buffer, indices, where, load_lanes(indices, where))
        self.expect("(")
        if word == "size":
            return self.named()
        if word in ("ramp", "splat"):
            return self.vector(word)
        return self.call(word, self.listed(self.expr, ")"))

    def named(self) -> Const:
        found = self.size()
        self.expect(")")
        return Const(found, int64)

    def vector(self, word: str) -> Expr:
        x = self.expr()
        self.expect(",")
        lanes = self.integer()
        if word == "splat":
            self.expect(")")
            return Splat(x, lanes)
        step = 1
        if self.accept(","):
            step = -self.integer() if self.accept("-") else self.integer()
        self.expect(")")
        return Ramp(x, lanes, step)

    def call(self, word: str, args: tuple[Expr, ...]) -> Expr:
        match word, args:
            case _, (x,) if word in UNARY:
                return Unary(word, x)
            case _, (x,) if word in BY_SHORT:
                return Cast(x, BY_SHORT[word])
            case "select", (cond, a, b):
                return Select(cond, a, b)
            case _, (a, b) if word in BINARY and word not in INFIX:
                return self.typed(Binary(word, a, b))
        self.at -= 1
        self.fail(f"a function of {len(args)} operands, and {word!r} is none")

    def typed(self, e: Binary) -> Binary:
        if e.a.dtype != e.b.dtype or e.a.lanes != e.b.lanes:
            self.at -= 1
            sides = " and ".join(f"{x.dtype.short}x{x.lanes}" for x in (e.a, e.b))
            self.fail(f"operands of one type for {e.fn!r} (they are {sides})")
        return e
