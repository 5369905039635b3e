"""Parses the grammar of `graphtorch.ir.text`, checking each node's types against its op."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TypeVar, get_args

from graphtorch.ir._lexer import Lexer, Token
from graphtorch.ir.dim import surely, symbol
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Attr, Graph, Node, Param, Role, Value
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.types import BY_SHORT, DType, TensorType
from graphtorch.ir.verify import check_node, check_update

T = TypeVar("T")
ROLES = get_args(Role)
WORDS: dict[str, Attr] = {"true": True, "false": False, "none": None, **BY_SHORT}


def parse_graph(text: str, file: str = "<text>") -> Graph:
    """The graph that ``text`` denotes.

    IRError with the position in ``file`` and a caret: GT801 syntax, GT802 unknown op, GT803 undefined
    value, GT804 a name defined twice, GT805 declared types that differ from the op's, GT806 operands or
    attributes that the op rejects, GT807 a bad update, GT808 a body that does not fit its node.
    """
    parser = Parser(Lexer(text, file))
    try:
        parser.examples()
        graph = parser.graph()
    except RecursionError:
        token = parser.lex.peek()
        raise parser.lex.error("GT801", "brackets or graphs are nested too deeply", token.at) from None
    parser.lex.take("end", "the end of the text")
    return graph


class Parser:
    """One method per rule of the grammar."""

    def __init__(self, lex: Lexer) -> None:
        self.lex = lex
        self.scope: dict[str, Value] = {}
        self.sizes: dict[str, int] = {}

    # ---- graphs ----

    def examples(self) -> None:
        """The names of sizes that are not known."""
        if self.lex.accept("sizes"):
            self.separated(self.example)

    def example(self) -> None:
        token = self.lex.take("name", "the name of a size")
        if token.text in self.sizes or token.text in WORDS:
            raise self.lex.error("GT804", f"{token} is defined already", token.at)
        self.lex.expect("=")
        self.sizes[token.text] = symbol(token.text, self.lex.take_int("an example of the size"))

    def graph(self) -> Graph:
        """A graph in a scope of its own: a body does not see the values around it."""
        outer, self.scope = self.scope, {}
        self.lex.expect("graph")
        self.lex.expect("@")
        graph = Graph(self.name())
        graph.params = self.many("(", self.param, ")")
        self.lex.expect("->")
        start = self.lex.peek()
        types = self.many("(", self.type, ")")
        self.lex.expect("{")
        while self.lex.peek().kind == "value":
            graph.nodes.append(self.node())
        while self.lex.looking_at("update"):
            self.update(graph)
        self.lex.expect("return")
        graph.outputs = [] if self.lex.looking_at("}") else self.separated(self.operand)
        self.lex.expect("}")
        self.compare(start, types, [o.type for o in graph.outputs], "the outputs")
        self.scope = outer
        return graph

    def param(self) -> Param:
        token = self.lex.take("value", "a parameter, as in %x: f32[2]")
        self.lex.expect(":")
        declared = self.type()
        role: Role = self.lex.next().text if self.lex.looking_at(*ROLES) else "in"  # type: ignore[assignment]
        label = self.string() if self.lex.peek().kind == "string" else ""
        text = token.text[1:]
        if text[0].isdigit():
            raise self.lex.error("GT801", f"a parameter needs a name, got {token}", token.at)
        param = Param(self.lex.unquote(token, text) if text[0] == '"' else text, declared, role, label)
        self.define(token, param)
        return param

    def update(self, graph: Graph) -> None:
        token = self.lex.expect("update")
        param = self.operand()
        self.lex.expect("<-")
        value = self.operand()
        self.located(token, lambda: check_update(graph, graph.params, param, value))
        graph.updates[param] = value  # type: ignore[index]  # check_update saw that it is a parameter

    # ---- nodes ----

    def node(self) -> Node:
        start = self.lex.peek()
        results = self.separated(self.result)
        self.lex.expect("=")
        at = self.lex.take("name", "the name of an op")
        op = self.op(at)
        operands = self.many("(", self.operand, ")")
        attrs = self.attrs() if self.lex.looking_at("{") else {}
        body = self.graph() if self.lex.looking_at("graph") else None
        locs = []
        while self.lex.looking_at("@"):
            locs.append(self.loc())
        node = Node(op, operands, attrs, [t for _, t in results], tuple(locs), body)
        types = self.located(at, lambda: check_node(node))
        self.compare(start, [t for _, t in results], list(types), op.name)
        for (token, _), value in zip(results, node.results, strict=True):
            self.define(token, value)
        return node

    def op(self, token: Token) -> Op:
        if token.text in OPS:
            return OPS[token.text]
        close = difflib.get_close_matches(token.text, OPS, 1)
        facts = [f"did you mean {close[0]}?"] if close else []
        raise self.lex.error("GT802", f"there is no op {token.text!r}", token.at, facts)

    def result(self) -> tuple[Token, TensorType]:
        token = self.lex.take("value", "a result, as in %0: f32[2]")
        if not token.text[1:].isdigit():
            raise self.lex.error("GT801", f"a result is a number, as in %0; got {token}", token.at)
        self.lex.expect(":")
        return token, self.type()

    def operand(self) -> Value:
        token = self.lex.take("value", "a value, as in %x or %0")
        if token.text not in self.scope:
            raise self.lex.error("GT803", f"{token} is not defined before it is used", token.at)
        return self.scope[token.text]

    def define(self, token: Token, value: Value) -> None:
        if token.text in self.scope:
            raise self.lex.error("GT804", f"{token} is defined twice", token.at)
        self.scope[token.text] = value

    def loc(self) -> Loc:
        self.lex.expect("@")
        file = self.string()
        self.lex.expect(":")
        line = self.lex.take_int("a line number")
        self.lex.expect(":")
        col = self.lex.take_int("a column")
        return Loc(file, line, col, self.string() if self.lex.peek().kind == "string" else "")

    # ---- attributes and types ----

    def attrs(self) -> dict[str, Attr]:
        attrs: dict[str, Attr] = {}

        def entry() -> None:
            key = self.lex.take("name", "the name of an attribute")
            if key.text in attrs:
                raise self.lex.error("GT804", f"the attribute {key} is given twice", key.at)
            self.lex.expect("=")
            attrs[key.text] = self.attr()

        self.many("{", entry, "}")
        return attrs

    def attr(self) -> Attr:
        token = self.lex.peek()
        if self.at_size():
            return self.size()
        if token.kind == "number":
            text = self.lex.next().text
            return int(text) if text.lstrip("-").isdigit() else float(text)
        if token.kind == "string":
            return self.string()
        if token.kind == "name" and token.text in WORDS:
            return WORDS[self.lex.next().text]
        if self.lex.looking_at("["):
            return tuple(self.many("[", self.attr, "]"))
        raise self.lex.unexpected("an attribute: a number, a string, true, false, none, a dtype, a size or [...]")

    def type(self) -> TensorType:
        token = self.lex.peek()
        dtype = WORDS.get(token.text) if token.kind == "name" else None
        if not isinstance(dtype, DType):
            raise self.lex.unexpected("a type, as in f32[2,3]")
        self.lex.next()
        return TensorType(tuple(self.many("[", self.length, "]")), dtype)

    def length(self) -> int:
        token = self.lex.peek()
        size = self.size() if self.at_size() else self.lex.take_int("a size")
        if surely("<", size, 0):
            raise self.lex.error("GT801", f"a size is not negative, got {size}", token.at)
        return size

    # ---- sizes ----

    def at_size(self) -> bool:
        """Whether more than a number comes next."""
        token, after = self.lex.tokens[self.lex.at : self.lex.at + 2] if self.sizes else (None, None)
        if token is None or after is None:
            return False
        return token.text in self.sizes or token.text in ("-", "(") or (token.kind, after.kind) == ("number", "sign")

    def size(self) -> int:
        """Sums of products, as `dim_terms.text` writes them."""
        total = -self.product() if self.lex.accept("-") else self.product()
        while self.lex.looking_at("+", "-"):
            sign = self.lex.next().text
            total = total + self.product() if sign == "+" else total - self.product()
        return total

    def product(self) -> int:
        product = self.factor()
        while self.lex.accept("*"):
            product = product * self.factor()
        return product

    def factor(self) -> int:
        token = self.lex.peek()
        if self.lex.accept("("):
            inner = self.quotient()
            self.lex.expect(")")
            return inner
        if token.kind == "name" and token.text in self.sizes:
            return self.sizes[self.lex.next().text]
        return self.lex.take_int(f"a size: a number, or one of {', '.join(self.sizes)}")

    def quotient(self) -> int:
        """What stands in parentheses: a sum, or a factor that is divided."""
        left = self.size()
        if not self.lex.looking_at("//", "%"):
            return left
        token = self.lex.next()
        divisor = self.factor()
        if not surely("<", 0, divisor):
            raise self.lex.error("GT801", f"a size is divided by what is above 0, got {divisor}", token.at)
        return left // divisor if token.text == "//" else left % divisor

    # ---- words and lists ----

    def name(self) -> str:
        return self.string() if self.lex.peek().kind == "string" else self.lex.take("name", "a name").text

    def string(self) -> str:
        token = self.lex.take("string", "a string")
        return self.lex.unquote(token, token.text)

    def separated(self, item: Callable[[], T]) -> list[T]:
        items = [item()]
        while self.lex.accept(","):
            items.append(item())
        return items

    def many(self, opening: str, item: Callable[[], T], closing: str) -> list[T]:
        self.lex.expect(opening)
        items = [] if self.lex.looking_at(closing) else self.separated(item)
        self.lex.expect(closing)
        return items

    # ---- checks ----

    def located(self, token: Token, check: Callable[[], T]) -> T:
        """Run a check of verify.py; its IRError leaves with the position of ``token``."""
        try:
            return check()
        except IRError as error:
            raise self.lex.error(error.code, error.message, token.at, error.facts) from None

    def compare(self, at: Token, declared: list[TensorType], actual: list[TensorType], what: str) -> None:
        if declared == actual:
            return
        got, have = (", ".join(map(str, types)) or "nothing" for types in (declared, actual))
        raise self.lex.error(
            "GT805", f"the types declared for {what} are wrong", at.at, [f"declared {got}, actual {have}"]
        )
