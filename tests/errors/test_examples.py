"""The examples of docs/errors.md print what the page says, line by line."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

import pytest

from graphtorch.errors import GraphTorchError

PAGE = (Path(__file__).parent.parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(GT\d{3}), for example:\n\n```python\n(.*?)```\n\n```\n(.*?)\n```", PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == len(re.findall(r"GT\d{3}, for example:", PAGE)) > 10


@pytest.mark.parametrize(("code", "source", "message"), EXAMPLES, ids=[code for code, _, _ in EXAMPLES])
def test_example(code: str, source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linecache.clearcache()
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "example.py"
    file.write_text(source, encoding="utf-8")
    with pytest.raises(GraphTorchError) as error:
        exec(compile(source, str(file), "exec"), {"__name__": "example"})
    assert error.value.code == code
    assert str(error.value) == message
