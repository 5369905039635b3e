"""`graphtorch explain GT102`: what an error code means, a program that fails with it, what that says, and the fix.

    graphtorch explain          all codes
    graphtorch explain GT102    one of them; 102 and gt102 are understood, too

The message is that of the program, which is run for it. `python -m graphtorch` is the same command.
"""

from __future__ import annotations

import re
import textwrap

from graphtorch.ir.codes import CODES, HEADINGS, Code, headed
from graphtorch.ir.codes.running import message

#: columns
_WIDTH = 100
#: codes that are named to whoever asked for one that there is not
_NEAR = 3


def find(asked: str) -> Code:
    """The code that was asked for; LookupError, in a line, for what is none."""
    number = re.fullmatch(r"(?:GT)?([0-9]{3})", asked.strip().upper())
    if number is None:
        raise LookupError(f"expected a code such as GT102, got {asked!r}")
    name = f"GT{number[1]}"
    if name not in CODES:
        raise LookupError(f"there is no code {name}; near it: {', '.join(near(name))}")
    return CODES[name]


def near(name: str) -> list[str]:
    """The codes next to ``name``: those of its hundred, where there are such, the nearest first."""
    alike = [code for code in CODES if code[:3] == name[:3]] or list(CODES)
    return sorted(alike, key=lambda code: abs(int(code[2:]) - int(name[2:])))[:_NEAR]


def titled(code: Code) -> str:
    """Its title, with its severity if it is no error."""
    return code.title if code.severity == "error" else f"{code.title} ({code.severity})"


def listing() -> str:
    """All codes with their titles."""
    parts = []
    for first, codes in headed().items():
        classes, about = HEADINGS[first]
        lines = [re.sub(r" \([^)]*\)", "", classes) + f": {about}"]
        lines += [_plain(f"  {code.code}  {titled(code)}") for code in codes]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def explanation(code: Code) -> str:
    """All that is known of ``code``, with what its example prints."""
    parts = [f"{code.code} ({', '.join(code.kinds)}): {titled(code)}", code.advice]
    if code.unshown:
        parts.append(f"There is no example: {code.unshown}.")
    parts = [_filled(_plain(text)) for text in parts]
    if not code.unshown:
        sections = {"Example (example.py)": code.example, "Message": message(code), "Fixed": code.fixed}
        parts += [f"{title}:\n\n{textwrap.indent(text.rstrip(), '    ')}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return text.replace("`", "")


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
