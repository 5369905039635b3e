"""Tokens of kernel text, and the reader that parsers of it stand on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from graphtorch.ir.dim import symbol
from graphtorch.ir.errors import IRError

_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|\#[^\n]*)|(?P<line>\n)"
    r"|(?P<number>\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)"
    r"|(?P<var>%[\w.]+)|(?P<kernel>@[\w.$-]+)|(?P<word>[A-Za-z_]\w*(?:\.\w+)*)"
    r"|(?P<op>//|<<|>>|<=|>=|==|!=|[-+*/%<>&|^(){}\[\],:=?])"
)
T = TypeVar("T")
W = TypeVar("W", bound=str)


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int
    column: int


def tokenize(text: str) -> list[Token]:
    """Tokens with their places; runs of line ends are one token of kind ``line``."""
    tokens: list[Token] = []
    at, line, start = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _mistake(Token("", text[at], line, at - start + 1), "a character that some token starts with")
        kind = match.lastgroup or ""
        if kind == "line":
            if tokens and tokens[-1].kind != "line":
                tokens.append(Token("line", "\n", line, at - start + 1))
            line, start = line + 1, match.end()
        elif kind != "space":
            tokens.append(Token(kind, match[0], line, at - start + 1))
        at = match.end()
    tokens.append(Token("end", "", line, at - start + 1))
    return tokens


def _mistake(token: Token, expected: str) -> IRError:
    got = {"line": "the end of the line", "end": "the end of the text"}.get(token.kind, repr(token.text))
    where = f"line {token.line}, column {token.column}"
    return IRError("GT820", f"malformed kernel text at {where}", [f"expected {expected}, got {got}"])


class Reader:
    """A position in the tokens of a text, and the steps that every rule of a grammar takes."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        self.at = 0
        self.sizes: dict[str, int] = {}

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def fail(self, expected: str) -> NoReturn:
        raise _mistake(self.next, expected)

    def take(self, kind: str, expected: str) -> str:
        if self.next.kind != kind:
            self.fail(expected)
        self.at += 1
        return self.tokens[self.at - 1].text

    def accept(self, text: str) -> bool:
        if self.next.text != text:
            return False
        self.at += 1
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(repr(text))

    def skip_lines(self) -> None:
        while self.next.kind == "line":
            self.at += 1

    def listed(self, item: Callable[[], T], close: str) -> tuple[T, ...]:
        """``item``, ... up to and with ``close``."""
        out: list[T] = []
        while not self.accept(close):
            if out:
                self.expect(",")
            out.append(item())
        return tuple(out)

    def integer(self) -> int:
        text = self.take("number", "an integer")
        if not text.isdigit():
            self.at -= 1
            self.fail("an integer")
        return int(text)

    # ---- sizes ----

    def named_sizes(self) -> None:
        """``sizes B=67, T=71``, if it stands here: the names of sizes that are not known."""
        if not self.accept("sizes"):
            return
        while True:
            name = self.take("word", "a name such as B")
            self.expect("=")
            self.sizes[name] = symbol(name, self.integer())
            if not self.accept(","):
                break
        self.skip_lines()

    def size(self) -> int:
        """Sums of products, as `dim_terms.text` writes them."""
        total = -self.product() if self.accept("-") else self.product()
        while self.next.text in ("+", "-"):
            total = total + self.product() if self.accept("+") else total - self._after("-")
        return total

    def _after(self, sign: str) -> int:
        self.expect(sign)
        return self.product()

    def product(self) -> int:
        product = self.factor()
        while self.accept("*"):
            product = product * self.factor()
        return product

    def factor(self) -> int:
        if self.accept("("):
            inner = self.quotient()
            self.expect(")")
            return inner
        if self.next.kind == "word" and self.next.text in self.sizes:
            self.at += 1
            return self.sizes[self.tokens[self.at - 1].text]
        return self.integer()

    def quotient(self) -> int:
        """``(a)//b`` or ``(a)%b``. A remainder by a name or a number is one token with it, as a variable is."""
        self.expect("(")
        a = self.size()
        self.expect(")")
        if self.next.kind == "var":
            by = self.take("var", "a divisor")[1:]
            return a % (self.sizes[by] if by in self.sizes else int(by))
        divides = self.accept("//")
        if not divides:
            self.expect("%")
        b = self._bracketed() if self.next.text == "(" else self.factor()
        return a // b if divides else a % b

    def _bracketed(self) -> int:
        self.expect("(")
        b = self.size()
        self.expect(")")
        return b

    def one_of(self, words: Sequence[W], what: str) -> W:
        """The word that stands here, which must be one of ``words``."""
        for word in words:
            if self.accept(word):
                return word
        self.fail(f"{what}: {', '.join(words)}")
