"""`python -m tools.ops_page` writes docs/ops.md: every public op, out of the registry and the tables of its tests.

What a name has beyond torch's documentation, or lacks of it, stands in NOTES; a name of tests/ops/torch_names.txt that
is neither public nor explained there fails tests/docs/test_ops_page.py.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphtorch as gt
import graphtorch.frontend.branches  # enters gt.cond and the like
import graphtorch.nn.functional  # whose functions enter the registry
from graphtorch.ir.op import PUBLIC, Op

ROOT = Path(__file__).parent.parent
OUT, NAMES = ROOT / "docs/ops.md", ROOT / "tests/ops/torch_names.txt"
SPACES = {"gt": "gt", "F": "gt.nn.functional", "Tensor": "Tensor", "linalg": "gt.linalg"}

#: name -> what to know of it: what is missing, and why
NOTES: dict[str, str] = {
    "uniform": "torch has it in place alone, as here: `Tensor.uniform_`",
    "exponential": "torch has it in place alone, as here: `Tensor.exponential_`",
    "F.ctc_loss": "in a program two scans over time; numbers of tensors of lengths and labels are not checked there",
    "linalg.norm": "without the orders 2, -2 and nuc of matrices, which need singular values",
}

HEADER = """# Ops

Written by `python -m tools.ops_page`, out of the registry and the tests' tables. Names, arguments, defaults and results
are torch's. *Where*: functions of `gt` and of `gt.nn.functional` (F), and methods of `Tensor`. *Gradient*: compared
with finite differences; *twice*: so are gradients of it, by `create_graph=True`. *Compiled*: the same result from
`gt.compile`, gradients included; else what it says. Functions that take ``out=`` in torch take it here.
"""


def listed() -> dict[str, list[str]]:
    """The names that torch's users reach for, by section."""
    found: dict[str, list[str]] = {}
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            found[section := line.strip("[]")] = []
        elif line and not line.startswith("#"):
            found[section] += line.split()
    return found


def places(name: str) -> list[str]:
    """Where a name of the list is public."""
    space, _, rest = name.rpartition(".")
    if space:
        owner = gt.nn.functional if space == "F" else getattr(gt, space, None)
        return [space] if hasattr(owner, rest) else []
    return [p for p, owner in (("gt", gt), ("Tensor", gt.Tensor)) if hasattr(owner, name)]


def rows_of(name: str) -> list[Any]:
    """The rows of tests/ops/public for a name."""
    from tests.ops import public
    from tests.ops.public.table import ROWS

    for module in pkgutil.iter_modules(public.__path__):
        importlib.import_module(f"{public.__name__}.{module.name}")
    names = [name] if "." in name else [f"{space}.{name}" for space in ("gt", "Tensor", "linalg")]
    return [ROWS[n] for n in names if n in ROWS]


def differentiable(name: str) -> bool:
    """Whether a gradient of it is tested."""
    from tests.ops.public.elsewhere import ELSEWHERE

    function = public_function(name)
    if isinstance(function, Op):
        return not function.nondifferentiable
    if ELSEWHERE.get(name, ("",))[0].startswith("losses/"):  # all of that table have both orders, but for ONCE
        return True
    return any(call.smooth for row in rows_of(name) for call in row.calls)


def gradient(name: str) -> str:
    """Of how many orders gradients are tested."""
    from tests.ops.test_grad import ONCE

    if not differentiable(name):
        return ""
    rows = rows_of(name)
    twice = not rows or any(c.smooth and c.twice for row in rows for c in row.calls)
    return "twice" if twice and name.rpartition(".")[2] not in ONCE else "once"


def compiled(name: str) -> str:
    """ "yes", or what the error says."""
    said = {call.compiled for row in rows_of(name) for call in row.calls}
    texts = sorted(s for s in said if isinstance(s, str))
    if not texts:
        return "yes"
    return "eager only" if True not in said else "yes, but for results whose shape depends on the data"


def public_function(name: str) -> Any:
    space, _, rest = name.rpartition(".")
    for table in [space] if space else ["gt", "Tensor"]:
        if rest in PUBLIC.get(table, {}):
            return PUBLIC[table][rest]
    return None


def first_line(name: str) -> str:
    doc = inspect.getdoc(public_function(name)) or ""
    return re.sub(r"\s+", " ", doc.split("\n\n")[0]).replace("|", "\\|")


def missing(name: str) -> bool:
    return not places(name)


def table(names: list[str]) -> Iterator[str]:
    yield "| name | where | gradient | compiled | |"
    yield "|---|---|---|---|---|"
    for name in names:
        note = NOTES.get(name, "")
        if missing(name):
            yield f"| `{name}` | **not there** | | | {note} |"
            continue
        text = " ".join(filter(None, [first_line(name), f"*{note}*" if note else ""]))
        yield f"| `{name}` | {', '.join(places(name))} | {gradient(name)} | {compiled(name)} | {text} |"


def page() -> str:
    sections = listed()
    known = {name for names in sections.values() for name in names}
    further = sorted(
        {f"F.{n}" for n in PUBLIC["F"] if not n.startswith("_")}
        | {n for space in ("gt", "Tensor") for n in PUBLIC[space] if not n.startswith("_")}
    )
    parts = [HEADER]
    for title, names in (*sections.items(), ("Further", [n for n in further if n not in known])):
        parts.append(f"\n## {title.capitalize()}\n\n" + "\n".join(table(names)) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    OUT.write_text(page(), encoding="utf-8")
