"""The programs of docs/vision.md print what stands under them; the names in its tables are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_tutorial import BLOCK, block_text, printed_by

pytest.importorskip("PIL")

from graphtorch.vision import datasets, transforms
from graphtorch.vision.transforms import functional

PAGE = Path(__file__).parent.parent.parent / "docs" / "vision.md"


def test_the_programs_print_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    outputs = printed_by(page)
    if request.config.getoption("--update-golden"):
        blocks = iter(outputs)
        PAGE.write_text(BLOCK.sub(lambda m: block_text(m["source"], next(blocks)), page), encoding="utf-8")
        return
    assert len(outputs) == page.count("```python")
    for block, got in zip(BLOCK.finditer(page), outputs, strict=True):
        assert got == (block["printed"] or ""), block["source"]


def test_the_tables_name_what_there_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", "|".join(row))}
    public = {*datasets.__all__, *transforms.__all__, *functional.__all__}
    unsaid = {
        "InterpolationMode",
        "RandomTransforms",
        "StandardTransform",
        "VisionDataset",
        "functional",
        "to_grayscale",
    }
    sizes = {"get_dimensions", "get_image_size", "get_image_num_channels"}
    adjusted = {f"adjust_{what}" for what in ("contrast", "saturation", "hue", "gamma")}
    assert public - named <= unsaid | sizes | adjusted
    assert {name for name in named if name[0].isupper()} <= public
