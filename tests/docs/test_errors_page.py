"""docs/errors.md is what the registry of codes says."""

from __future__ import annotations

import re

from graphtorch.ir.codes import CODES
from tools.errors_page import OUT, page


def test_the_page_is_written_anew() -> None:
    assert OUT.read_text(encoding="utf-8") == page(), "run `python -m tools.errors_page`, and look at what it wrote"


def test_every_code_has_a_row_and_a_section() -> None:
    text = OUT.read_text(encoding="utf-8")
    assert re.findall(r"^### (GT\d{3})$", text, re.MULTILINE) == list(CODES)
    assert re.findall(r"^\| \[(GT\d{3})\]\(#gt\d{3}\) \|", text, re.MULTILINE) == list(CODES)


def test_links_lead_to_their_sections() -> None:
    links = re.findall(r"\[(GT\d{3})\]\(#(gt\d{3})\)", OUT.read_text(encoding="utf-8"))
    assert links and all(name.lower() == anchor for name, anchor in links)
