"""Passes, how they are run, and the text form of pipelines.

    pipeline ::= pass,*
    pass     ::= name ["{" (option "=" attr),* "}"]          cse,fuse{max_ops=32}

A pass is a frozen dataclass: its fields are its options, and `run` gives a new graph, or the very
same object where there was nothing to do.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from graphtorch.ir._lexer import Lexer, Token
from graphtorch.ir._parser import Parser
from graphtorch.ir._printer import attrs_text
from graphtorch.ir.control_flow import with_bodies
from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Attr, Graph
from graphtorch.ir.verify import verify


class Pass(Protocol):
    """A transformation of graphs."""

    @property
    def name(self) -> str: ...

    def run(self, graph: Graph) -> Graph: ...


Listener = Callable[[str, Graph], None]


def run_passes(
    graph: Graph, passes: Iterable[Pass], *, verify_each: bool = False, on_stage: Listener | None = None
) -> Graph:
    """``graph`` after every pass in turn; verified before the first and after the last.

    ``verify_each`` verifies after every pass, so that an IRError names the one to blame. ``on_stage``
    is called with each pass's name and what it made.
    """
    verify(graph)
    ran: list[str] = []
    for step in passes:
        graph = run_inside(graph, step)
        ran.append(step.name)
        if verify_each:
            _verify_after(graph, step.name)
        if on_stage is not None:
            on_stage(step.name, graph)
    if ran and not verify_each:
        _verify_after(graph, ", ".join(ran))
    return graph


@dataclasses.dataclass(frozen=True)
class UserPass:
    """A pass from outside of the package, not trusted: what it makes is verified, and takes and gives what it did."""

    step: Pass

    @property
    def name(self) -> str:
        return self.step.name

    def run(self, graph: Graph) -> Graph:
        made = self.step.run(graph)
        if made is graph:
            return graph
        before, after = _face(graph), _face(made)
        for what in before:
            if before[what] != after[what]:
                facts = [f"expected {what} {before[what]}", f"got {after[what]}"]
                raise IRError("GT813", f"the pass {self.name!r} changed the {what} of @{graph.name}", facts)
        _verify_after(made, self.name)
        return made


def _face(graph: Graph) -> dict[str, list[str]]:
    """What callers of a graph rely on."""
    return {
        "parameters": [f"%{p.name}: {p.type} {p.role}" for p in graph.params],
        "outputs": [str(v.type) for v in graph.outputs],
        "updates": [f"%{p.name}" for p in graph.updates],
    }


def run_inside(graph: Graph, step: Pass) -> Graph:
    """``graph`` after a pass that has run on the body of each loop and branch first, as on any graph."""
    return step.run(with_bodies(graph, lambda body: run_inside(body, step)))


def _verify_after(graph: Graph, passes: str) -> None:
    try:
        verify(graph)
    except IRError as error:
        error.facts.append(f"after {passes}")
        raise


def pass_text(step: Pass) -> str:
    """The text of a pass, with the options that differ from their defaults."""
    options = {f.name: getattr(step, f.name) for f in _fields(type(step)) if getattr(step, f.name) != f.default}
    return step.name + (f"{{{attrs_text(options)}}}" if options else "")


def pipeline_text(passes: Sequence[Pass]) -> str:
    """What `parse_pipeline` reads back."""
    return ",".join(map(pass_text, passes))


def parse_pipeline(text: str, passes: Mapping[str, Callable[..., Pass]]) -> tuple[Pass, ...]:
    """The passes that ``text`` names, out of the registry ``passes``.

    IRError GT810 for an unknown pass, GT811 for an option that the pass does not have or that is of
    another type, GT801 for anything else.
    """
    lex = Lexer(text, "<pipeline>")
    parser = Parser(lex)

    def step() -> Pass:
        token = lex.take("name", "the name of a pass")
        make: Callable[..., Pass] = _look_up(lex, token, passes, "GT810", "pass")
        start = lex.peek()
        options = parser.attrs() if lex.looking_at("{") else {}
        return make(**_checked(lex, start, token.text, make, options))

    found = parser.separated(step) if lex.peek().kind != "end" else []
    lex.take("end", "',' or the end of the pipeline")
    return tuple(found)


def _checked(lex: Lexer, at: Token, name: str, make: Callable[..., Pass], options: dict[str, Attr]) -> dict[str, Attr]:
    """``options``, each a field of the pass and of the type of that field's default."""
    fields = {f.name: f for f in _fields(make)}
    for key, value in options.items():
        token = dataclasses.replace(at, text=key)
        wanted = type(_look_up(lex, token, fields, "GT811", f"option of {name}").default)
        if type(value) is not wanted:
            facts = [f"expected {_article(wanted)}, got {_article(type(value))}"]
            raise lex.error("GT811", f"the option {key!r} of {name} has a wrong type", at.at, facts)
    return options


def _look_up(lex: Lexer, token: Token, table: Mapping[str, Any], code: str, what: str) -> Any:
    if token.text in table:
        return table[token.text]
    close = difflib.get_close_matches(token.text, table, 1)
    facts = [f"did you mean {close[0]}?"] if close else []
    facts.append(f"there are: {', '.join(table)}" if table else "it has no options")
    raise lex.error(code, f"there is no {what} named {token.text!r}", token.at, facts)


def _fields(make: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(make) if dataclasses.is_dataclass(make) else ()


def _article(type_: type) -> str:
    name = type_.__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
