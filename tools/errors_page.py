"""`python -m tools.errors_page` writes docs/errors.md: every error code, out of the registry `graphtorch.ir.codes`.

Messages are those that the examples print: all of them are run.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from graphtorch.explain import titled
from graphtorch.ir.codes import HEADINGS, Code, headed
from graphtorch.ir.codes.running import message

OUT = Path(__file__).parent.parent / "docs/errors.md"

HEADER = """# Errors

Written by `python -m tools.errors_page`, out of `graphtorch/ir/codes/`. In a terminal, `graphtorch explain GT102` shows
what this page says of a code, and `graphtorch explain` lists all of them. Messages are those of the example above them,
run as `example.py`.

Every error of graphtorch is a `graphtorch.errors.GraphTorchError` and has a code. `str(error)` is the whole
message; its parts are attributes: `code`, `message`, `facts` (expected and got), `op`, `path` (the module), `loc` (the
user's line), `created` (where the module was constructed), `operands` and `fix`. The classes also derive from the
Python exceptions that torch raises in such cases, so `except RuntimeError` and the like go on working.

    ShapeError GT102 in conv2d "features.3": input channels do not match the weight    class, code, op, module: message
      net.py:14      return self.features(x)                                               the user's line
      net.py:10      nn.Conv2d(32, 64, 3),          <- constructed here                    where the module was made
      input  f32[8,16,30,30]   (from reshape "features.2")                                 operands, and what made them
      weight f32[64,32,3,3]
      bias   f32[64]
      expected 32 input channels (groups=1), got 16                                        facts: expected and got

Every error shows the user's line. A module path is there where a module was being called, and operands where an
op was reached.

`CacheWarning` is a warning and no error: the cache on disk was ignored, and the program was compiled instead. So is
`RecompileWarning`: a function is compiled again and again, for Python values that differ, or for more kinds of calls
than programs are kept. It says what changed.
"""


def table(codes: list[Code]) -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    for code in codes:
        yield f"| [{code.code}](#{code.code.lower()}) | {titled(code)} |"


def section(code: Code) -> Iterator[str]:
    """What the page says of one code, in paragraphs."""
    yield f"### {code.code}"
    title = titled(code)
    text = f"**{title[0].upper()}{title[1:]}** ({', '.join(code.kinds)}). {code.advice}"
    yield textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
    if code.unshown:
        yield f"There is no example: {code.unshown}."
        return
    yield f"```python\n{code.example}```"
    yield f"```\n{message(code)}\n```"
    yield "Fixed:"
    yield f"```python\n{code.fixed}```"


def page() -> str:
    parts = [HEADER.rstrip("\n")]
    for first, codes in headed().items():
        parts += [f"## {': '.join(HEADINGS[first])}", "\n".join(table(codes))]
        parts += [text for code in codes for text in section(code)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    OUT.write_text(page(), encoding="utf-8")
