"""Tokens of IR text, and errors that point into it with a caret."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from graphtorch.ir.errors import IRError

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|(?<!\))//[^\n]*)+)
      | (?P<value>(?<!\))%(?:[A-Za-z0-9_.]+|"(?:[^"\\\n]|\\.)*"))
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<arrow>->|<-)
      | (?P<number>-?(?:(?:inf|nan)(?![A-Za-z0-9_.])|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?))
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign>//|[-+*%])
      | (?P<mark>[(){}\[\],:=@])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is value, string, arrow, number, name, sign, mark or end; ``at`` is its offset in the text."""

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return self.text if self.kind != "end" else "the end of the text"


class Lexer:
    """A cursor over the tokens of ``text``. ``file`` is the name that errors give it."""

    def __init__(self, text: str, file: str = "<text>") -> None:
        self.text = text
        self.file = file
        self.tokens = self._scan()
        self.at = 0

    def _scan(self) -> list[Token]:
        tokens, at = [], 0
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise self.error("GT801", f"unexpected character {self.text[at]!r}", at)
            if found.lastgroup != "space":
                tokens.append(Token(str(found.lastgroup), found.group(), at))
            at = found.end()
        return [*tokens, Token("end", "", at)]

    # ---- errors ----

    def error(self, code: str, message: str, at: int, facts: Sequence[str] = ()) -> IRError:
        """An IRError that shows the line of offset ``at``, with a caret under it."""
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", start)
        source = self.text[start : end if end >= 0 else len(self.text)].replace("\t", " ")
        position = f"{self.file}:{self.text.count(chr(10), 0, at) + 1}:{at - start + 1}"
        return IRError(code, message, [position, f"  {source}", f"  {' ' * (at - start)}^", *facts])

    def unexpected(self, wanted: str) -> IRError:
        return self.error("GT801", f"expected {wanted}, got {self.peek()}", self.peek().at)

    # ---- moving on ----

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def looking_at(self, *texts: str) -> bool:
        """Whether the next token reads as one of ``texts`` (strings and values never do)."""
        return self.peek().text in texts and self.peek().kind in ("mark", "sign", "arrow", "name")

    def accept(self, text: str) -> bool:
        """Step over ``text`` if it comes next."""
        found = self.looking_at(text)
        if found:
            self.next()
        return found

    def expect(self, text: str) -> Token:
        if not self.looking_at(text):
            raise self.unexpected(repr(text))
        return self.next()

    def take(self, kind: str, wanted: str) -> Token:
        """The next token, which must be of ``kind``."""
        if self.peek().kind != kind:
            raise self.unexpected(wanted)
        return self.next()

    def take_int(self, wanted: str) -> int:
        token = self.peek()
        if token.kind != "number" or not token.text.lstrip("-").isdigit():
            raise self.unexpected(wanted)
        return int(self.next().text)

    def unquote(self, token: Token, literal: str) -> str:
        """The content of a string literal."""
        try:
            return str(json.loads(literal, strict=False))
        except json.JSONDecodeError as error:
            raise self.error("GT801", f"a malformed string: {error.msg}", token.at) from None
