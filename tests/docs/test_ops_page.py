"""docs/ops.md is what the registry says."""

from __future__ import annotations

from tools.ops_page import OUT, page


def test_the_page_is_written_anew() -> None:
    assert OUT.read_text(encoding="utf-8") == page(), "run `python -m tools.ops_page`, and look at what it wrote"
