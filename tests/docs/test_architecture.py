"""The excerpts of docs/architecture.md are what the compiler makes of its example today."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLLOWED = PAGE[PAGE.index("## One op, followed") :]


def excerpts() -> dict[str, list[str]]:
    """Stage -> the lines shown of it, less those that stand for what was left out."""
    found = re.findall(r"### `(trace|autodiff|dce|fuse)`.*?\n```\n(.*?)```", FOLLOWED, re.DOTALL)
    return {stage: [line for line in text.splitlines() if line.strip() != "..."] for stage, text in found}


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    source = re.search(r"```python\n(import graphtorch as gt  # 1\n.*?)```", FOLLOWED, re.DOTALL)
    assert source is not None
    file = tmp_path / "step.py"
    file.write_text(source.group(1), encoding="utf-8")
    names: dict[str, object] = {}
    exec(compile(source.group(1), str(file), "exec"), names)
    step = names["step"]
    kernels = f"`{step.stats[0].nodes} nodes -> {step.stats[0].kernels} kernels`"  # type: ignore[attr-defined]
    assert kernels in PAGE
    return step.stages[0]  # type: ignore[attr-defined, no-any-return]


def test_the_stages_are_as_shown(stages: dict[str, str]) -> None:
    shown = excerpts()
    assert list(shown) == ["trace", "autodiff", "dce", "fuse"]
    for stage, lines in shown.items():
        rest = iter(stages[stage].splitlines())
        missing = [line for line in lines if line not in rest]  # each has to come after the one before it
        assert missing == [], stage


def test_the_op_is_as_shown() -> None:
    shown = re.search(r"```python\n(class Relu\(Unary\):\n.*?)```", FOLLOWED, re.DOTALL)
    assert shown is not None
    assert shown.group(1) in (ROOT / "graphtorch/ir/ops/functions.py").read_text(encoding="utf-8")


def test_the_files_are_those_of_the_tree() -> None:
    for layer in ("frontend", "ir", "codegen", "runtime"):
        section = PAGE[PAGE.index(f"### graphtorch/{layer} ") :].split("\n### ")[0].split("\n## ")[0]
        shown = set(re.findall(r"`([\w*/]+(?:\.py|/))`", section))
        folder = ROOT / "graphtorch" / layer
        for name in shown:
            assert [*folder.glob(name), *folder.glob(f"ops/{name}")], f"{layer}: there is no {name}"
        for file in (*folder.glob("*.py"), *folder.glob("schedule/*.py")):
            relative = file.relative_to(folder)
            covered = any(relative.match(p) for p in shown) or relative.name in ("__init__.py",)
            assert covered or f"`{relative.name}`" in section, f"{layer}/{relative} is not on the page"


README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```python\n(import graphtorch as gt\n.*?)```\n\n```\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_examples() -> None:
    assert len(SHOWN) == README.count("```python") > 1


@pytest.mark.parametrize(("source", "printed"), SHOWN, ids=range(len(SHOWN)))
def test_the_readme_s_examples_print_what_it_says(
    source: str, printed: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the function's line is looked up in a file
    linecache.clearcache()
    (tmp_path / "net.py").write_text(source, encoding="utf-8")
    exec(compile(source, str(tmp_path / "net.py"), "exec"), {"__name__": "net"})
    assert _timeless(capsys.readouterr().out) == _timeless(printed)


def _timeless(text: str) -> str:
    """Less what depends on the machine: seconds, the cache, and the last digit of a loss."""
    return re.sub(r"in \S+ s \(\w+(?: \w+)?\)", "in ... s", re.sub(r"(loss \d\.\d{3})\d", r"\1", text))
