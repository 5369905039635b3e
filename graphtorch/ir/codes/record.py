"""What is known of an error code."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Code:
    """One code, as docs/errors.md and ``graphtorch explain`` show it.

    ``code``: "GT102". ``kinds``: names of the classes that carry it, the one of the example first. ``title``: what it
    means, in a line. ``advice``: when it comes and what to do, in up to three lines of the page. ``example``: a program
    that runs alone and brings forth this code and no other, by an error that it raises, by a warning, or by a variable
    ``report`` that has it among its ``problems``. ``fixed``: the program mended, which brings forth nothing.
    ``severity``: an "error" cannot run or cannot train, a "warning" runs and hardly does what was meant, a "note" may
    happen. ``unshown``: why there is no program; then ``example`` and ``fixed`` are "".
    """

    code: str
    kinds: tuple[str, ...]
    title: str
    advice: str
    example: str
    fixed: str
    severity: Severity = "error"
    unshown: str = ""


def entry(
    code: str,
    kinds: str,
    title: str,
    advice: str,
    example: str = "",
    fixed: str = "",
    severity: Severity = "error",
    unshown: str = "",
) -> Code:
    """A `Code` as the tables write it: ``kinds`` apart by spaces, texts indented as the code around them."""
    return Code(
        code,
        tuple(kinds.split()),
        title,
        " ".join(advice.split()),
        _program(example),
        _program(fixed),
        severity,
        unshown,
    )


def _program(text: str) -> str:
    program = textwrap.dedent(text).strip("\n")
    return f"{program}\n" if program else ""
