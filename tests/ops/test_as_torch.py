"""What torch does with unusual arguments: numbers that do not fit, bools as indices, tensors without elements."""

from __future__ import annotations

import importlib
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, ShapeError

nan, inf = np.nan, np.inf

#: name -> (function of the library and of ones(2, 3), the shape of its result)
SHAPES: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "x[True]": (lambda l, x: x[True], (1, 2, 3)),
    "x[False]": (lambda l, x: x[False], (0, 2, 3)),
    "x[:, True]": (lambda l, x: x[:, True], (2, 1, 3)),
    "x[0, False]": (lambda l, x: x[0, False], (0, 3)),
    "x[..., True]": (lambda l, x: x[..., True], (2, 3, 1)),
    "x[None, True, 0]": (lambda l, x: x[None, True, 0], (1, 1, 3)),
    "a number[True]": (lambda l, x: x.sum()[True], (1,)),
    "argmax": (lambda l, x: x.argmax(keepdim=True), (1, 1)),
    "argmax of a number": (lambda l, x: x.sum().argmax(keepdim=True), ()),
    "softmax of nothing": (lambda l, x: l.softmax(x[0, :0], 0), (0,)),
    "softmax along nothing": (lambda l, x: l.softmax(x[:, :0], 1), (2, 0)),
    "log_softmax along nothing": (lambda l, x: l.log_softmax(x[:, :0], 1), (2, 0)),
    "cat with nothing": (lambda l, x: l.cat([l.zeros(0), x, l.zeros(0)], 1), (2, 3)),
    "cat of nothing": (lambda l, x: l.cat([l.zeros(0), l.zeros(0)]), (0,)),
    "batch norm of nothing": (lambda l, x: l.nn.BatchNorm1d(3)(x[:0]), (0, 3)),
    "view of a part": (lambda l, x: x[1:].view(3), (3,)),
    "view that splits": (lambda l, x: x.t().view(3, 1, 2), (3, 1, 2)),
    "index_select by int32": (lambda l, x: l.index_select(x, 1, l.tensor([2, 0], dtype=l.int32)), (2, 2)),
    "index_add by int32": (lambda l, x: x.index_add(0, l.tensor([1, 1], dtype=l.int32), x), (2, 3)),
    "view of nothing": (lambda l, x: x[:, :0].t().view(2, 0), (2, 0)),
}


@pytest.mark.parametrize("mode", ["eager", "compiled", "torch"])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str, mode: str) -> None:
    lib = pytest.importorskip("torch") if mode == "torch" else gt
    function, shape = SHAPES[name]
    call = (lambda x: function(lib, x)) if mode != "compiled" else gt.compile(lambda x: function(lib, x))
    assert tuple(call(lib.ones(2, 3)).shape) == shape


def test_assignment_through_a_bool() -> None:
    x = gt.zeros(2)
    x[False] = 3
    assert x.tolist() == [0, 0]
    x[True] = 3
    assert x.tolist() == [3, 3]
    x[True] += 1
    assert x.tolist() == [4, 4]
    y = gt.zeros(2, 3)

    def write(y: gt.Tensor) -> gt.Tensor:
        y[1, True, ..., :2] = 5
        return y * 1

    assert gt.compile(write)(y).tolist() == y.tolist() == [[0, 0, 0], [5, 5, 0]]
    assert x[True, False].shape == (0, 2)


def test_cat_promotes_what_it_leaves_out() -> None:
    assert gt.cat([gt.zeros(0, dtype=gt.float64), gt.ones(2, 3)]).dtype == gt.float64


def test_batch_norm_of_nothing_keeps_its_statistics() -> None:
    layer = nn.BatchNorm1d(3)
    layer(gt.zeros(0, 3))
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0] * 3, [1] * 3)


def test_view_of_another_order_is_refused() -> None:
    x = gt.zeros(2, 3)
    with pytest.raises(ShapeError, match=r"GT105 in view: .*\[3, 2\] has no view of shape \[6\](\n.*)*reshape\(\)"):
        x.t().view(6)
    x.view(3, 2).fill_(1)
    assert x.tolist() == [[1] * 3] * 2


def test_dropout_keeps_nan() -> None:
    """A product with 0, as torch has it."""
    for p in (0.5, 1.0):
        assert np.isnan(nn.functional.dropout(gt.tensor([nan, inf * 0] * 8), p).numpy()).all()


# ---- numbers that do not fit ----------------------------------------------------------------------

INT, BYTE = gt.tensor([0, 3], dtype=gt.int32), gt.tensor([1, 2], dtype=gt.uint8)
TOO_LARGE: dict[str, Callable[[], Any]] = {
    "exponent": lambda: INT**2**32,
    "compiled exponent": lambda: gt.compile(lambda x: x**2**32)(INT),
    "input": lambda: gt.where(INT > 0, 2**40, INT),
    "other": lambda: gt.where(INT > 0, INT, -(2**31) - 1),
    "max": lambda: INT.clamp(max=2**31),
    "min": lambda: INT.clamp(min=2**40),
    "fill_value": lambda: gt.full((2,), 256, dtype=gt.uint8),
    "fill_value like": lambda: gt.full_like(BYTE, -256),
    "fill_value nan": lambda: gt.full((2,), nan, dtype=gt.int64),
    "value of fill_": lambda: INT.clone().fill_(2**31),
    "value of an item": lambda: INT.clone().__setitem__(0, 2**31),
    "data": lambda: gt.tensor([1, 300], dtype=gt.uint8),
    "data nan": lambda: gt.tensor([1.0, nan], dtype=gt.int64),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_number_that_does_not_fit_is_refused(name: str) -> None:
    parameter = name.replace("compiled ", "").split()[0]
    with pytest.raises(ArgumentError, match=rf"GT304.* {parameter}=\S+ is not a number of graphtorch"):
        TOO_LARGE[name]()


def test_numbers_of_more_than_64_bits_are_refused() -> None:
    for f in (lambda: INT + 2**64, lambda: gt.ones(2) * 10**20, lambda: INT == 2**70, lambda: gt.tensor(2**70)):
        with pytest.raises(ArgumentError, match=r"GT304.* number of more than 64 bits"):
            f()


def test_numbers_that_fit() -> None:
    assert gt.full((1,), -1, dtype=gt.uint8).item() == 255
    assert gt.full((1,), 127.9, dtype=gt.int8).item() == 127
    assert gt.full((1,), 300, dtype=gt.bool).item() is True
    assert (INT**31).tolist() == gt.compile(lambda x: x**31)(INT).tolist()
    assert gt.tensor(np.array([300]), dtype=gt.uint8).item() == 44  # an array is converted, as by astype


@pytest.mark.parametrize("function", [lambda x: x + 2**40, lambda x: x < 2**40, lambda x: (2**33 + 1) ** x])
def test_where_torch_wraps_eager_and_compiled_agree(function: Callable[[Any], Any]) -> None:
    assert function(INT).tolist() == gt.compile(function)(INT).tolist()


def test_randint_refuses_what_the_dtype_cannot_hold() -> None:
    for low, high, dtype in ((0, 257, gt.uint8), (-1, 2, gt.uint8), (0, 3, gt.bool), (-129, 0, gt.int8)):
        with pytest.raises(ArgumentError, match=rf"GT304: low={low}, high={high} are not allowed"):
            gt.randint(low, high, (3,), dtype=dtype)
    assert gt.randint(255, 256, (3,), dtype=gt.uint8).tolist() == [255] * 3
    with pytest.raises(ArgumentTypeError, match="GT301: size must be a tuple of ints, got int 2"):
        gt.randint(3, 2)


def test_the_seed_has_no_sign() -> None:
    state = gt.default_generator.get_state()
    gt.manual_seed(-5)
    assert gt.initial_seed() == 2**64 - 5
    gt.default_generator.set_state(state)


# ---- tensors from Python numbers ------------------------------------------------------------------

NESTED: list[tuple[Any, gt.DType]] = [
    ([np.float32(1), 2], gt.float32), ([1, np.float64(2)], gt.float64), ([np.int32(1), 2], gt.int64),
    ([np.int32(1)], gt.int32), ([True, np.int8(3)], gt.int8), ([np.uint8(1), np.int8(1)], gt.int16),
    ([np.float32(1), 2.5], gt.float32), ([[1], [2.5]], gt.float32), ([True, False], gt.bool), ([], gt.float32),
    ([[], []], gt.float32), ([[np.ones(2, np.float32)]], gt.float32), ([1, True], gt.int64),
]  # fmt: skip


@pytest.mark.parametrize("lib", ["graphtorch", "torch"])
@pytest.mark.parametrize(("data", "dtype"), NESTED, ids=str)
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")
def test_dtype_of_nested_numbers(data: Any, dtype: gt.DType, lib: str) -> None:
    pytest.importorskip(lib)
    assert str(importlib.import_module(lib).tensor(data).dtype) == f"{lib}.{dtype.name}"


def test_tensors_among_numbers_count() -> None:
    assert gt.tensor([gt.tensor(1.0, dtype=gt.float64), 2]).dtype == gt.float64


@pytest.mark.parametrize("wrong", [None, "3", [1, None], b"3"], ids=str)
def test_what_is_no_number_is_refused(wrong: Any) -> None:
    x, kind = gt.zeros(2), type(wrong[1] if isinstance(wrong, list) else wrong).__name__
    for name, call in {
        "value": lambda: x.fill_(wrong),
        "src": lambda: x.copy_(wrong),
        "data": lambda: gt.tensor(wrong, dtype=gt.float32),
    }.items():
        with pytest.raises(TypeError, match=f"GT301: {name} must be a number or hold numbers, got {kind}"):
            call()
    with pytest.raises(TypeError, match=f"GT301: value must be a number or hold numbers, got {kind}"):
        x[0] = wrong
    assert x.tolist() == [0, 0]


def test_memory_that_cannot_be_written() -> None:
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    for x in (gt.zeros(1).expand(3), gt.from_numpy(frozen)):
        with pytest.raises(RuntimeError, match=r"GT117: (.*\n)+.*clone"):
            x.add_(1)


def test_one_number_is_needed() -> None:
    for convert in (int, float):
        with pytest.raises(ShapeError, match=rf"GT113: {convert.__name__}\(\) of 2 elements"):
            convert(gt.ones(2))
        assert convert(gt.ones(1, 1)) == 1


# ---- Python's protocols ---------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["a", None, [1, 1], object], ids=str)
def test_comparison_with_a_stranger(other: Any) -> None:
    assert (gt.ones(2) == other) is False
    assert (gt.ones(2) != other) is True


def test_comparison_with_an_array_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="GT301 in eq"):
        gt.ones(2) == np.ones(2)  # noqa: B015


def test_abs() -> None:
    assert abs(gt.tensor([-1.0, 2.0])).tolist() == [1, 2]


def test_format() -> None:
    loss = gt.tensor(1.5, requires_grad=True)
    assert f"{loss:.3f} {loss} {gt.tensor(3):4d}" == "1.500 1.5    3"
    assert f"{gt.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(gt.ones(2), ".3f")


def test_format_and_print_in_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(gt.errors.TraceError, match="GT601: a format needs the numbers"):
        gt.compile(lambda x: print(f"{x.sum():.3f}"))(gt.ones(2))
    f = gt.compile(lambda x: (print(x, f"{x.sum()}"), x)[1])
    f(gt.ones(2))
    f(gt.ones(2))
    assert capsys.readouterr().out == "<traced f32[2]> <traced f32[]>\n"


def _int64(l: Any, *given: Any) -> Any:
    return l.tensor(list(given))


#: what a function of the library and of arange(6.).view(2, 3) gives in torch, shapes and dtypes included
VALUES: dict[str, Callable[[Any, Any], Any]] = {
    "sum along the first dimension, as bools": lambda l, x: x.sum(0, dtype=l.bool),
    "sum along a dimension kept, as bools": lambda l, x: x.sum(0, True, dtype=l.bool),
    "sum as bools": lambda l, x: x.sum(dtype=l.bool),
    "nansum along the first dimension, as bools": lambda l, x: x.nansum(0, dtype=l.bool),
    "prod as bools": lambda l, x: x.prod(dtype=l.bool),
    "prod along the first dimension, as bools": lambda l, x: x.prod(0, dtype=l.bool),
    "narrow from a tensor": lambda l, x: l.narrow(x, 1, l.tensor(1), 2),
    "narrow by a tensor": lambda l, x: x.narrow(1, 0, l.tensor(2)),
    "sort": lambda l, x: x.sort(1, descending=True).values,
    "arange to a tensor": lambda l, x: l.arange(l.tensor(3)),
    "arange from tensors": lambda l, x: l.arange(l.tensor(1), l.tensor(2.5), 0.5),
    "arange by name": lambda l, x: l.arange(end=3),
    "arange by names": lambda l, x: l.arange(start=1, end=7, step=2),
    "zeros by name": lambda l, x: l.zeros(size=(2, 1)),
    "ones by name": lambda l, x: l.ones(size=x.shape, dtype=l.int8),
    "concat": lambda l, x: l.concat([x, x], 1),
    "concatenate": lambda l, x: l.concatenate((x, x), axis=1),
    "row_stack": lambda l, x: l.row_stack([x, x[0]]),
    "ger": lambda l, x: l.ger(x[0], x[:, 1]),
    "reversed": lambda l, x: reversed(x),
    "reversed number": lambda l, x: reversed(x[0, 1]),
    "unfold of a number": lambda l, x: x[0, 1].unfold(0, 1, 1),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    torch = pytest.importorskip("torch")
    found, expected = (VALUES[name](l, l.arange(6.0).view(2, 3)) for l in (gt, torch))
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    np.testing.assert_array_equal(found.numpy(), expected.numpy(), strict=True)


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "expand by -1 in front": (lambda l, x: x.expand(-1, 2, 3), "GT104"),
    "broadcast_to -1 in front": (lambda l, x: l.broadcast_to(x, (4, -1, 2, 3)), "GT104"),
    "softmax of a number": (lambda l, x: l.softmax(x[0, 0], 5), "GT302"),
    "log_softmax of a number": (lambda l, x: x[0, 0].log_softmax(-3), "GT302"),
    "nanmean in int32": (lambda l, x: x.nanmean(0, dtype=l.int32), "GT202"),
    "narrow from a float": (lambda l, x: x.narrow(1, 1.5, 1), "GT301"),
    "size of a dimension that is not there": (lambda l, x: x.size(5), "GT302"),
    "arange to infinity": (lambda l, x: l.arange(math.inf), "GT304"),
    "arange to nan": (lambda l, x: l.arange(0.0, math.nan), "GT304"),
    "arange of bools": (lambda l, x: l.arange(3, dtype=l.bool), "GT203"),
    "a size that is a text": (lambda l, x: l.Size([1, "a"]), "GT301"),
    "cumsum without a dimension": (lambda l, x: l.cumsum(x), "GT301"),
    "an argument that is not known": (lambda l, x: l.nansum(x, dims=1), "GT301"),
    "a text in a tensor": (lambda l, x: "a" in x, "GT301|Tensor.__contains__"),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, code = REFUSED[name]
    with pytest.raises((TypeError, ValueError, RuntimeError, IndexError)):
        call(torch, torch.arange(6.0).view(2, 3))
    with pytest.raises((TypeError, ValueError, RuntimeError, IndexError), match=code):
        call(gt, gt.arange(6.0).view(2, 3))


def test_members() -> None:
    x = gt.tensor([[1, 2], [3, 4]])
    assert 3 in x and gt.tensor(4) in x and gt.tensor([3, 4]) in x
    assert 5 not in x and 2.5 not in x and gt.nan not in gt.tensor([gt.nan])


def test_sizes_stay_sizes() -> None:
    shape = gt.ones(2, 3, 5).shape
    for found in (shape[1:], shape[::-1], shape + (1,), (1,) + shape, shape * 2, 2 * shape[:1], shape + shape):
        assert type(found) is gt.Size
    assert shape[1:].numel() == 15 and shape[0] == 2 and type(shape[0]) is int
    assert (*shape[:1], 7) == (2, 7)
    assert repr(shape[:-1]) == "graphtorch.Size([2, 3])"


def test_named_results_print_alike() -> None:
    x = gt.tensor([3, 1])
    assert repr(x.sort()).startswith("graphtorch.return_types.sort(\nvalues=tensor([1, 3]),\nindices=")
    assert repr(x.topk(1)).startswith("graphtorch.return_types.topk(\nvalues=")
    assert repr(x.kthvalue(1)).startswith("graphtorch.return_types.kthvalue(\nvalues=")


def test_pickles_of_bfloat16() -> None:
    x = gt.tensor([[1.5, -2.0, 0.25]], dtype=gt.bfloat16)
    for given in (x, x.t()):
        back = pickle.loads(pickle.dumps(given))
        assert back.dtype == gt.bfloat16 and back.tolist() == given.tolist()
