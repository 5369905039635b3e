"""docs/ops.md is what the registry says, and nothing of torch's names is missing without a reason."""

from __future__ import annotations

from tools.ops_page import NOTES, OUT, listed, missing, page


def test_the_page_is_written_anew() -> None:
    assert OUT.read_text(encoding="utf-8") == page(), "run `python -m tools.ops_page`, and look at what it wrote"


def test_what_is_missing_is_explained() -> None:
    names = [name for names in listed().values() for name in names]
    assert not [name for name in names if missing(name) and not NOTES.get(name)]
