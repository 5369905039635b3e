"""The one-way flow: ir <- codegen <- runtime <- frontend. Read off the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "graphtorch"
#: what each layer may import from the package, itself included
ALLOWED = {
    "ir": {"ir"},
    "codegen": {"codegen", "ir"},
    "runtime": {"runtime", "codegen", "ir"},
    "frontend": {"frontend", "runtime", "codegen", "ir"},
}
FILES = [p for layer in ALLOWED for p in sorted((ROOT / layer).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "graphtorch" and len(parts) > 1 and (ROOT / parts[1]).is_dir():
            assert parts[1] in ALLOWED[layer], f"{layer} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_torch_is_never_imported(path: Path) -> None:
    assert not any(name.split(".")[0] == "torch" for name in imported(path))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_third_parties_stay_in_their_layer(path: Path) -> None:
    third = {name.split(".")[0] for name in imported(path)} & {"llvmlite", "ml_dtypes", "networkx", "pycuda"}
    layer = path.relative_to(ROOT).parts[0]
    if layer == "ir":
        assert third <= {"networkx"} or (third == {"ml_dtypes"} and path.name == "types.py")
    if "pycuda" in third:
        assert path.name == "cuda.py" and layer == "runtime"
