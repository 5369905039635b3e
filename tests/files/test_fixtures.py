"""Files that torch wrote, read without torch; `write_fixtures` says how they were made. And what fuzzing found."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import LoadError
from graphtorch.frontend.files.numpy_builders import ARRAYS
from graphtorch.frontend.files.unpickler import restricted_load
from tests.files.seeds import CORPUS, FIXTURES

EXPECTED = json.loads((Path(__file__).parent / "fixtures" / "expected.json").read_text(encoding="utf-8"))


def described(value: Any) -> Any:
    if isinstance(value, gt.Tensor):
        kind = str(value.dtype).removeprefix("graphtorch.")
        return {
            "dtype": kind,
            "shape": list(value.shape),
            "stride": list(value.stride()) if value.numel() else [],
            "values": value.tolist(),
        }
    if isinstance(value, dict):
        return [[repr(k), described(v)] for k, v in value.items()]
    return repr(value).replace("graphtorch", "torch") if not isinstance(value, list) else [described(v) for v in value]


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_what_torch_wrote(path: Path) -> None:
    assert json.loads(json.dumps(described(gt.load(path)))) == EXPECTED[path.name.partition(".")[0]]


def test_there_are_fixtures_of_both_formats() -> None:
    assert [path.name for path in FIXTURES] == sorted(f"{n}.{kind}.pt" for n in EXPECTED for kind in ("legacy", "zip"))


def test_nothing_but_numpy_is_imported_for_it() -> None:
    program = """
        import sys, graphtorch as gt
        gt.load(sys.argv[1])
        assert not {"torch", "llvmlite", "zipfile"} & set(sys.modules), sys.modules
    """
    lines = "\n".join(line.strip() for line in program.splitlines())
    subprocess.run([sys.executable, "-c", lines, str(FIXTURES[0])], check=True)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_no_part_of_a_file_is_a_file(path: Path) -> None:
    data = path.read_bytes()
    for n in range(0, len(data), 31):
        with pytest.raises(LoadError, match=r"GT90[1234]"):
            gt.load(io.BytesIO(data[:n]))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_fuzzing_found(path: Path) -> None:
    for run in (gt.load, lambda file: restricted_load(file, ARRAYS, "latin1")):
        try:
            run(io.BytesIO(path.read_bytes()))
        except LoadError as error:
            assert error.code.startswith("GT90")
