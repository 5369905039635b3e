"""What all tests share: golden files, and deterministic hypothesis."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import graphtorch  # noqa: F401  # fills the op registry

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the tests got into tests/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``golden(name, text)``: text equals the file tests/golden/<name>, or that of another folder, which is a third
    argument; --update-golden writes it."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str, folder: Path = GOLDEN) -> None:
        path = folder / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"there is no {path}: run pytest --update-golden and look at what it wrote")
        expected = path.read_text(encoding="utf-8")
        if text != expected:
            lines = difflib.unified_diff(
                expected.splitlines(), text.splitlines(), f"{folder.name}/{name}", "this run", lineterm=""
            )
            pytest.fail("\n".join([*lines, "", "if this is right: pytest --update-golden"]), pytrace=False)

    return compare
