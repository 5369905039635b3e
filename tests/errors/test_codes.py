"""The registry of codes: it has what the package raises and nothing else, in the classes that raise it."""

from __future__ import annotations

import ast
import builtins
import functools
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

import graphtorch.errors
from graphtorch.ir import codes
from graphtorch.ir.codes import CODES, HEADINGS, headed

ROOT = Path(__file__).parent.parent.parent / "graphtorch"
REGISTRY = ROOT / "ir" / "codes"
FILES = [path for path in sorted(ROOT.rglob("*.py")) if REGISTRY not in path.parents]
CODE = re.compile(r"GT\d{3}")
#: functions that raise, or find, for others: the class that they take
RAISE = {
    "check": "ShapeError",
    "_check": "IRError",
    "error": "IRError",
    "_look_up": "IRError",
    "finding": "ContractError",
    "problem": "ContractError",
    "note": "ContractError",
}


@functools.cache
def nodes() -> list[ast.AST]:
    return [node for path in FILES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def is_code(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value) is not None


def kinds() -> dict[str, set[str]]:
    """The classes that each code is raised with."""
    found = defaultdict(set)
    for call in (n for n in nodes() if isinstance(n, ast.Call)):
        for code in filter(is_code, call.args):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            given = [k.value.id for k in call.keywords if k.arg == "kind"]
            found[code.value].add(given[0] if given else RAISE.get(name, name))
    return found


def test_the_codes_of_the_package_are_those_of_the_registry() -> None:
    assert {n.value for n in nodes() if is_code(n)} == set(CODES)


def test_no_text_of_the_package_names_another_code() -> None:
    assert {c for path in FILES for c in CODE.findall(path.read_text(encoding="utf-8"))} <= set(CODES)


def test_classes_are_those_that_the_package_raises() -> None:
    found = kinds()
    assert len(found) > 80
    errors = {code: {kind for kind in CODES[code].kinds if not kind.endswith("Warning")} for code in found}
    assert found == errors


def test_classes_are_public() -> None:
    assert {kind for code in CODES.values() for kind in code.kinds} <= set(graphtorch.errors.__all__)


def test_a_code_stands_in_the_file_of_its_first_digits_and_once() -> None:
    for file in codes._FILES:
        assert {code.code[:4].lower() for code in file.CODES} == {file.__name__.rpartition(".")[2]}
    names = [code.code for file in codes._FILES for code in file.CODES]
    assert names == sorted(set(names)) == list(CODES)


def test_headings_share_out_the_codes() -> None:
    assert sorted(code.code for found in headed().values() for code in found) == list(CODES)
    assert all(headed().values()), "a heading has no codes"
    assert all(code.code.startswith(first) for first, found in headed().items() for code in found)


def test_texts_are_short() -> None:
    for code in CODES.values():
        assert 0 < len(code.title) <= 90 and not code.title.endswith("."), code.code
        assert 0 < len(textwrap.wrap(code.advice, 118)) <= 3 and code.advice.endswith((".", ".)")), code.code
        lines = (code.example + code.fixed).splitlines()
        assert all(len(line) <= 100 for line in lines), code.code
        assert code.example != code.fixed or code.unshown, code.code


#: their programs take a GPU; tests/cuda brings them forth
OF_A_GPU = ["GT404", "GT405", "GT406", "GT407", "GT408", "GT409"]


def test_a_code_has_programs_or_says_why_not() -> None:
    assert [code.code for code in CODES.values() if code.unshown] == ["GT402", *OF_A_GPU, "GT827"]
    for code in CODES.values():
        assert bool(code.example) == bool(code.fixed) == (not code.unshown), code.code


def test_import_leaves_the_registry_alone() -> None:
    program = "import sys, graphtorch.nn; sys.exit(any('graphtorch.ir.codes' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_headings_name_the_exceptions_that_their_classes_are() -> None:
    for classes, _ in HEADINGS.values():
        name, _, bases = classes.partition(")")[0].partition(" (")
        cls = getattr(graphtorch.errors, name)
        assert all(issubclass(cls, getattr(builtins, base)) for base in re.findall(r"\w+Error", bases)), classes
