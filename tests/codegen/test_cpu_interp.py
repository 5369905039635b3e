"""CPU schedules by the interpreter, before and after legalization: no LLVM in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule import cpu
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.codegen.target import Target, host_target
from tests.codegen.nests import nest_of, reference, run_op_kernel
from tests.codegen.test_schedule_cuda import CASES, Case, label, operands_of


def size(c: Case) -> int:
    return sum(t.numel for t in c[1])


SMALL = [c for c in CASES if size(c) <= 3000]


def target() -> Target:
    """The host with vectors of 16 bytes, whatever it has."""
    host = host_target()
    return Target(host.triple, host.cpu, host.features, 16, 16)


def agree(kernel: Any, c: Case) -> None:
    assert same_kernel(parse_kernel(print_kernel(kernel)), kernel)
    arrays = operands_of(c)
    for got, want in zip(run_op_kernel(kernel, *arrays), reference(c[0], *arrays, **c[2]), strict=True):
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("c", SMALL, ids=label)
def test_scheduled_and_legalized_kernels_agree_with_ref(c: Case) -> None:
    name, types, attrs = c
    kernel = schedule_cpu(nest_of(name, *types, **attrs), target())
    agree(kernel, c)
    agree(legalize(kernel), c)


@pytest.mark.parametrize("c", [c for c in SMALL if c[0].startswith("reduce_")], ids=label)
def test_split_reductions_agree_with_ref(c: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "SPLIT_WORK", 0)
    monkeypatch.setattr(cpu, "FEW_OUTPUTS", 1000)
    test_scheduled_and_legalized_kernels_agree_with_ref(c)
