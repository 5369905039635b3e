"""Writes docs/torch-comparison.md: what torch and graphtorch say of the broken programs of tests/errors/broken.

    python -m tools.torch_errors

It needs torch (the extra "dev"). Each program runs in torch's eager mode, with its loss, and through torch.fx's
ShapeProp, which runs a traced graph over example inputs.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphtorch.errors import GraphTorchError
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.nn import init
from tests.errors.broken.corpus import CORPUS
from tests.errors.broken.programs import Broken, check

PAGE = Path(__file__).parent.parent / "docs" / "torch-comparison.md"
_WIDTH = 150


@dataclass(frozen=True)
class Said:
    """What a library says of a program: all of it, and what of it is shown."""

    text: str
    shown: str

    def names(self, path: str) -> bool:
        """Whether it says which module it is, by its path or by the name that a graph gives it."""
        return bool(path) and any(
            re.search(rf"(?<![\w.]){re.escape(p)}(?![\w.])", self.text) for p in (path, path.replace(".", "_"))
        )


def torch_eager(names: dict[str, Any]) -> None:
    net = names["model"]()
    names["loss"](net(*names["inputs"]()), names["targets"]())


def shape_prop(names: dict[str, Any]) -> None:
    from torch.fx import symbolic_trace
    from torch.fx.passes.shape_prop import ShapeProp

    ShapeProp(symbolic_trace(names["model"]())).propagate(*names["inputs"]())


def said(run: Callable[[dict[str, Any]], None], broken: Broken) -> Said:
    """The message of what ``run`` raises; what it says first, where that is no traceback."""
    try:
        run(broken.program.run("torch"))
    except Exception as error:
        text = str(error)
        lines = [line.strip() for line in text.split("\n") if line.strip() and not line.startswith((" ", "Traceback"))]
        return Said(text, f"{type(error).__name__}: {(lines or [''])[0]}")
    return Said("", "(no error)")


def found(broken: Broken) -> Sequence[Problem]:
    """What `gt.check` finds; the error of a program that cannot be constructed."""
    try:
        names = broken.program.run()
        with init.skipped():
            net = names["model"]()
        return check(names, net=net).problems  # type: ignore[no-any-return]
    except GraphTorchError as error:
        return [Problem(error)]


def row(broken: Broken) -> tuple[list[str], dict[str, tuple[int, int, int]]]:
    """The section of a program, and for each library: whether it names the module, shows the constructor, has a fix."""
    problems = found(broken)
    path = next((p.path for p in problems if p.path), "")
    eager, props = said(torch_eager, broken), said(shape_prop, broken)
    ours = [f"{str(p).split(chr(10))[0]}" + (f" — fix: {p.fix}" if p.fix else "") for p in problems]
    lines = [f"### {broken.net}: {broken.name}", ""]
    lines += [f"    {works.strip()!r} became {changed.strip()!r}" for works, changed in broken.edits]
    lines += ["", f"- torch: `{_short(eager.shown)}`", f"- ShapeProp: `{_short(props.shown)}`"]
    lines += [f"- graphtorch: `{line}`" for line in ours]
    counts = {
        "torch eager": (int(eager.names(path)), 0, 0),
        "torch.fx ShapeProp": (int(props.names(path)), 0, 0),
        "graphtorch": (
            int(bool(path)),
            int(any(p.path and len(p.locations) == 2 for p in problems)),
            int(all(p.fix for p in problems)),
        ),
    }
    return [*lines, ""], counts


def _short(text: str) -> str:
    text = " ".join(text.replace("`", "'").split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def page() -> str:
    import torch

    rows = [row(broken) for broken in CORPUS]
    in_modules = sum(counts["graphtorch"][0] for _, counts in rows)
    body = [
        "# Broken programs: what torch says, and what graphtorch says",
        "",
        f"Written by `python -m tools.torch_errors`, with torch {torch.__version__.split('+')[0]}. The {len(rows)}",
        "programs of [tests/errors/broken](../tests/errors/broken) run unchanged in torch's eager mode, through",
        "torch.fx's ShapeProp, and through `gt.check`; of torch the first line of the message is shown. A module fails",
        f"in {in_modules} of them. The stack of torch's traceback leads to the line of the call; it is not counted.",
        "A fix of graphtorch was tried before it is offered.",
        "",
        "| | names the module | shows the line of its constructor | offers a fix |",
        "|---|---|---|---|",
    ]
    for library in rows[0][1]:
        module, constructor, fix = (sum(counts[library][i] for _, counts in rows) for i in range(3))
        body.append(f"| {library} | {module} of {in_modules} | {constructor} of {in_modules} | {fix} of {len(rows)} |")
    return "\n".join([*body, "", *(line for lines, _ in rows for line in lines)]).rstrip() + "\n"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
