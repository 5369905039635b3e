"""docs/migration.md says what is: names that are not there are not, and torch has them; codes mean what it says."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.codes import CODES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "migration.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## What is not there") :]
TABLE = [line for line in SECTION.splitlines() if line.startswith("| ") and "`" in line]
MISSING = [name for line in TABLE for name in re.findall(r"`([\w.]+)`", line.split("|")[2])]


def has(module: str, path: str) -> bool:
    """Whether ``module.path`` is there, as an attribute or as a module of its own."""
    found = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        found = getattr(found, parent)
    if hasattr(found, name):
        return True
    try:
        importlib.import_module(f"{module}.{path}")
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_there_is_not_there(name: str) -> None:
    assert not has("graphtorch", name), f"{name} is there by now: take it off docs/migration.md"


@pytest.mark.torch
def test_torch_has_the_names() -> None:
    pytest.importorskip("torch")
    assert len(MISSING) > 50
    assert [name for name in MISSING if not has("torch", name)] == []


def test_codes_are_codes() -> None:
    assert set(re.findall(r"GT\d{3}", PAGE)) <= set(CODES)
    assert {code[:4] for code in CODES} >= {f"GT{tens}" for tens in re.findall(r"GT(\d\d)x", PAGE)}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w/.-]+)\)", PAGE):
        assert (Path(__file__).parent.parent.parent / "docs" / target).exists(), target


def test_what_it_says_of_results() -> None:
    x = gt.ones(3, requires_grad=True)
    y = x * 2
    y.mul_(y)
    y.sum().backward()  # refused by torch
    assert repr((x * 2).grad_fn) == "<mul>" and not hasattr((x * 2).grad_fn, "next_functions")
    with gt.inference_mode():
        z = x * 2
    (z * x).sum().backward()  # refused by torch
    for option in ("mode", "backend", "fullgraph", "options"):
        with pytest.raises(TypeError):
            gt.compile(lambda x: x, **{option: True})


def test_what_it_says_of_programs(capsys: pytest.CaptureFixture[str]) -> None:
    w = gt.ones(3, requires_grad=True)

    def step() -> gt.Tensor:
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert step().requires_grad and not gt.compile(step)().requires_grad

    shown = gt.compile(lambda x: print(x) or x * 2)
    shown(gt.ones(3)), shown(gt.ones(3))
    assert capsys.readouterr().out == "<traced f32[3]>\n"

    x = gt.ones(4)
    returned = gt.compile(lambda x: x[1:])(x)
    x.zero_()
    assert returned.tolist() == [1, 1, 1]

    out_of_range = gt.compile(lambda scores, y: nn.functional.cross_entropy(scores, y))
    assert out_of_range(gt.ones(2, 3), gt.tensor([0, 7])).isnan().item()

    for function, code in ((lambda x: x.item(), "GT601"), (lambda x: x.nonzero(), "GT60[13]"), (refused, "GT605")):
        with pytest.raises(RuntimeError, match=code):
            gt.compile(function)(gt.ones(()))


SEEN: list[int] = []


def refused(x: gt.Tensor) -> gt.Tensor:
    SEEN.append(1)
    return x
