"""Every error code that the package can raise stands in docs/errors.md, and none that it cannot."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(r"GT\d{3}")


def test_the_codes_of_the_package_are_those_of_the_page() -> None:
    raised = {c for p in (ROOT / "graphtorch").rglob("*.py") for c in CODE.findall(p.read_text(encoding="utf-8"))}
    listed = set(CODE.findall((ROOT / "docs" / "errors.md").read_text(encoding="utf-8")))
    assert raised == listed
