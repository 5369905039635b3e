"""GRAPHTORCH_CPU_FEATURES: a sign and a name for each feature."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from graphtorch.codegen.target import host_target
from graphtorch.errors import ArgumentError


@pytest.fixture
def anew() -> Iterator[None]:
    """`host_target` is asked once in a process; here each test asks."""
    host_target.cache_clear()
    yield
    host_target.cache_clear()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("given", ["avx512f", "-avx2,avx512f", "-", "+,-avx2"])
def test_a_feature_without_a_sign_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CPU_FEATURES", given)
    with pytest.raises(ArgumentError, match=r'GT304: GRAPHTORCH_CPU_FEATURES=(.*\n)+.*as in "-avx512f,-avx2"'):
        host_target()


@pytest.mark.usefixtures("anew")
def test_features_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHTORCH_CPU_FEATURES", "-avx512f, -avx2,")
    assert {"-avx512f", "-avx2"} <= set(host_target().features.split(","))
    assert host_target().vector_bytes == 16
