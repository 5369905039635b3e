"""Products by tensor cores: interpreted lane by lane in two orders, against float64 over rounded factors; and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.kernel_ir import Kernel, walk
from graphtorch.codegen.schedule.cuda import schedule_cuda
from graphtorch.codegen.warp import Mma
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import TensorType, bfloat16, float16, float32
from graphtorch.runtime.interp_warp import tf32
from tests.codegen.nests import f32, kernels_of, nest_of, random_array, reference, run_op_kernel
from tests.codegen.test_schedule_cuda import Case, case, label, optimized

Array = Any
ALL = CudaTarget(tf32_matmul=True, tf32_conv=True)
G = PUBLIC["gt"]
CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
ODD = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 1}
#: forms of x @ y: whether each side is read transposed
FORMS = {"xy": (False, False), "xty": (True, False), "xyt": (False, True), "xtyt": (True, True)}


def product_kernel(form: str, dtype: Any, m: int, k: int, n: int) -> tuple[Kernel, list[int]]:
    """The kernel of x @ y, where ``form`` says how x and y lie in memory; and which of its operands is which."""
    types = [TensorType(s[::-1] if t else s, dtype) for s, t in zip(((m, k), (k, n)), FORMS[form], strict=True)]

    def product(x: Any, y: Any) -> Any:
        return G["matmul"](*(G["permute"](v, (1, 0)) if t else v for v, t in zip((x, y), FORMS[form], strict=True)))

    graph = optimized(product, *types)
    ((lowered, kernel),) = kernels_of(graph, lambda nest: schedule_cuda(nest, ALL))  # type: ignore[arg-type]
    assert set(lowered.operands) == set(graph.params)
    return kernel, [graph.params.index(v) for v in lowered.operands]  # type: ignore[arg-type]


def product_case(form: str, dtype: Any, m: int, k: int, n: int) -> tuple[Kernel, list[Array], Array]:
    """A kernel, what it is given, and what it should find."""
    kernel, order = product_kernel(form, dtype, m, k, n)
    sides = [random_array(TensorType(s, dtype), i) for i, s in enumerate(((m, k), (k, n)))]
    stored = [np.ascontiguousarray(v.T if t else v) for v, t in zip(sides, FORMS[form], strict=True)]
    return kernel, [stored[i] for i in order], exact(sides[0]) @ exact(sides[1])


def exact(x: Array) -> Array:
    """What a tensor core takes of a factor, in float64."""
    return (tf32(x) if x.dtype == np.float32 else x).astype(np.float64)


def close(got: Array, want: Array, relative: float) -> None:
    assert np.isfinite(got.astype(np.float64)).all()
    error = np.linalg.norm(got.astype(np.float64).reshape(want.shape) - want) / np.linalg.norm(want)
    assert error < relative, error


@pytest.mark.parametrize(
    ("dtype", "shape", "tolerance"),
    [(float32, (70, 44, 36), 2e-6), (float32, (33, 31, 17), 2e-6), (bfloat16, (72, 40, 88), 4e-3),
     (bfloat16, (33, 37, 35), 4e-3), (float16, (40, 64, 24), 5e-4), (float16, (19, 75, 37), 5e-4)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("form", FORMS)
def test_products_agree_with_float64(form: str, dtype: Any, shape: tuple[int, int, int], tolerance: float) -> None:
    kernel, operands, want = product_case(form, dtype, *shape)
    assert any(isinstance(s, Mma) for s in walk(kernel.body))
    close(run_op_kernel(kernel, *operands)[0], want, tolerance)


CONVS = [
    case("conv", f32(2, 32, 9, 7), f32(24, 32, 3, 3), **CONV), case("conv", f32(3, 5, 9, 8), f32(17, 5, 3, 2), **ODD),
    case("conv", f32(2, 40, 5, 6), f32(44, 20, 1, 1), **{**CONV, "padding": (0, 0), "groups": 2}),
    case("conv_input_grad", f32(2, 32, 9, 7), f32(32, 24, 3, 3), size=(9, 7), **CONV),
    case("conv_input_grad", f32(2, 18, 5, 10), f32(18, 19, 3, 2), size=(9, 8), **ODD),
    case("conv_weight_grad", f32(3, 20, 9, 8), f32(3, 32, 9, 8), kernel=(3, 3), **CONV),
    case("conv_weight_grad", f32(2, 17, 5, 10), f32(2, 19, 9, 8), kernel=(3, 2), **ODD),
]  # fmt: skip


def conv_kernel(c: Case) -> Kernel:
    name, types, attrs = c
    return schedule_cuda(nest_of(name, *types, **attrs), ALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("c", CONVS, ids=label)
def test_convolutions_agree_with_float64(c: Case) -> None:
    kernel, arrays = conv_kernel(c), [random_array(t, i) for i, t in enumerate(c[1])]
    assert any(isinstance(s, Mma) for s in walk(kernel.body))
    (got,) = run_op_kernel(kernel, *arrays)
    close(got, reference(c[0], *map(exact, arrays), **c[2])[0], 2e-6)
