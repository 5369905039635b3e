"""Names whose values are no tensors: constants, questions about tensors and dtypes, texts of dtypes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, ArgumentTypeError, ShapeError

DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def test_constants() -> None:
    assert (gt.pi, gt.e, gt.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(gt.nan)
    assert gt.newaxis is None
    assert gt.ones(3)[:, gt.newaxis].shape == (3, 1)


def test_texts_of_dtypes() -> None:
    assert str(gt.float32) == repr(gt.float32) == f"{gt.float32}" == "graphtorch.float32"
    assert str(gt.bool) == "graphtorch.bool"
    assert str(gt.trace(lambda x: x.to(gt.bfloat16), gt.ones(3))).splitlines()[0].count("f32[3]") == 1


def test_questions_about_tensors() -> None:
    x, whole = gt.ones(2, 3), gt.ones(2, 3, dtype=gt.uint8)
    assert gt.is_tensor(x) and not gt.is_tensor(x.numpy()) and not gt.is_tensor(2.0)
    assert gt.is_floating_point(x) and x.is_floating_point() and not whole.is_floating_point()
    assert not gt.is_complex(x) and not x.is_complex() and not gt.float32.is_complex
    assert gt.is_signed(x) and gt.int8.is_signed and not whole.is_signed() and not gt.bool.is_signed
    assert gt.numel(x) == x.nelement() == 6 and gt.numel(gt.tensor(1)) == 1
    assert x.ndimension() == 2
    assert x.is_cpu and not x.is_cuda and x.get_device() == -1
    assert gt.is_same_size(x, whole) and not x.is_same_size(x.t())
    assert gt.is_nonzero(gt.tensor([[-0.5]])) and not gt.tensor(False).is_nonzero() and gt.tensor(gt.nan).is_nonzero()


def test_questions_in_a_program() -> None:
    @gt.compile
    def f(x: Any) -> Any:
        kind = gt.promote_types(x.dtype, gt.result_type(x, 1.5))
        return x.to(kind) * gt.numel(x) if not gt.is_floating_point(x) else x * gt.pi

    assert f(gt.tensor([1, 2])).tolist() == [2.0, 4.0]
    assert f(gt.tensor([1.0])).tolist() == [float(gt.tensor(math.pi))]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: gt.is_floating_point(3), "GT301 in is_floating_point: input must be a tensor, got int"),
        (lambda: gt.is_complex([1.0]), "GT301 in is_complex: input must be a tensor, got list"),
        (lambda: gt.numel(3), "GT301 in numel: input must be a tensor, got int"),
        (lambda: gt.is_same_size(gt.ones(2), 2), "GT301 in is_same_size: other must be a tensor, got int"),
        (lambda: gt.promote_types(gt.int8, 2), "GT301 in promote_types: type2 must be a dtype, got int 2"),
        (lambda: gt.can_cast("int8", gt.int8), "GT301 in can_cast: from_ must be a dtype, got str 'int8'"),
        (lambda: gt.result_type("a", 1), "GT301 in result_type: expected a tensor or a number, got str"),
    ],
)
def test_refusals(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=text):
        call()


def test_memory_formats() -> None:
    x = gt.ones(2, 3).t()
    assert x.contiguous(memory_format=gt.contiguous_format).is_contiguous(memory_format=gt.contiguous_format)
    with pytest.raises(ArgumentTypeError, match=r"GT301: memory_format must be a memory format, got str 'x'"):
        x.contiguous("x")
    with pytest.raises(ArgumentError, match=r"GT304: memory_format=graphtorch.preserve_format is not allowed"):
        x.contiguous(gt.preserve_format)


def test_one_element_is_asked_for() -> None:
    for count in (0, 2):
        with pytest.raises(ShapeError, match=f"GT113 in is_nonzero: .* of {count} elements"):
            gt.is_nonzero(gt.ones(count))


@pytest.mark.torch
@pytest.mark.parametrize("a", DTYPES)
def test_promotion_as_torch(a: str) -> None:
    torch = pytest.importorskip("torch")

    def operands(library: Any, name: str) -> list[Any]:
        dtype = getattr(library, name)
        return [library.ones(2, dtype=dtype), library.ones((), dtype=dtype), 1, 1.0, True]

    for b in DTYPES:
        ours, theirs = ([getattr(m, name) for name in (a, b)] for m in (gt, torch))
        assert gt.can_cast(*ours) == torch.can_cast(*theirs), b
        assert str(gt.promote_types(*ours)).split(".")[1] == str(torch.promote_types(*theirs)).split(".")[1]
        pairs = [list(itertools.product(operands(m, a), operands(m, b))) for m in (gt, torch)]
        for x, y in zip(*pairs, strict=True):
            assert str(gt.result_type(*x)).split(".")[1] == str(torch.result_type(*y)).split(".")[1]
