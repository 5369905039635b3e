"""The emulator itself: what CUDA C means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from graphtorch.codegen import nvcc
from tests.cuda_emulator.harness import HEAD, launch
from tests.gpu.driver import Gpu

Array = Any


def lanes(gpu: Gpu, body: str, given: Array, block: int = 32, dtype: Any = None) -> Array:
    """y[t] after ``body``, where x[t] is an element of what is given, and t the thread."""
    kind = {"f": "float", "i": "int", "u": "unsigned"}
    out = np.dtype(dtype or given.dtype)
    x, y = gpu.upload(given), gpu.alloc(block * out.itemsize)
    head = f"{HEAD}const {kind[given.dtype.kind]}* x, {kind[out.kind]}* y) {{ int t = threadIdx.x;\n"
    launch(gpu, head + body + "\n}", x, y, block=block)
    return gpu.download(y, (block,), out)


# ---- what primitives mean -------------------------------------------------------------------------

X = np.arange(32, dtype=np.int32) * 3 + 1
T = np.arange(32)


PRIMITIVES = [
    ("__shfl_sync(~0u, x[t], 5)", np.full(32, X[5])),
    ("__shfl_sync(~0u, x[t], t / 2)", X[T // 2]),
    ("__shfl_sync(~0u, x[t], 3, 8)", X[T // 8 * 8 + 3]),
    ("__shfl_up_sync(~0u, x[t], 3)", X[np.where(T < 3, T, T - 3)]),
    ("__shfl_down_sync(~0u, x[t], 5, 16)", X[np.where(T % 16 > 10, T, T + 5)]),
    ("__shfl_xor_sync(~0u, x[t], 9)", X[T ^ 9]),
    ("(int)__ballot_sync(~0u, t % 3 == 0)", np.full(32, sum(1 << i for i in range(0, 32, 3)))),
    ("__any_sync(~0u, t == 7) + 2 * __any_sync(~0u, t == 32)", np.full(32, 1)),
    ("__all_sync(~0u, t < 32) + 2 * __all_sync(~0u, t < 31)", np.full(32, 1)),
    ("__reduce_add_sync(~0u, x[t])", np.full(32, X.sum())),
    ("__reduce_max_sync(~0u, x[t]) - __reduce_min_sync(~0u, x[t])", np.full(32, X.max() - X.min())),
    ("t < 20 ? __shfl_sync(0xfffff, x[t], 19 - t) : 5", np.where(T < 20, X[(19 - T) % 32], 5)),
    ("__popc(x[t]) + __clz(x[t]) + __ffs(x[t])",
     [f"{v:b}".count("1") + 32 - int(v).bit_length() + (int(v) & -int(v)).bit_length() for v in X]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "want"), PRIMITIVES)
def test_warp_primitives(call: str, want: Array, gpu: Gpu) -> None:
    np.testing.assert_array_equal(lanes(gpu, f"y[t] = {call};", X), want)


def test_a_half_warp_meets_in_the_full_mask(gpu: Gpu) -> None:
    got = lanes(gpu, "y[t] = __reduce_add_sync(~0u, x[t]);", X[:20], block=20)
    np.testing.assert_array_equal(got, X[:20].sum())


def test_threads_and_blocks_have_three_axes(gpu: Gpu) -> None:
    source = (
        HEAD
        + """int* y) {
  int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  y[block * 105 + thread] = block * 1000 + thread; }"""
    )
    y = gpu.alloc(24 * 105 * 4)
    function = gpu.load(nvcc.compile_cubin(source, gpu.arch))("f")
    gpu.launch(gpu.prepare(function, (2, 3, 4), (3, 5, 7), [y]))
    want = np.arange(24)[:, None] * 1000 + np.arange(105)
    np.testing.assert_array_equal(gpu.download(y, (24, 105), np.int32), want)


def test_shared_memory_begins_as_nan_in_every_block(gpu: Gpu) -> None:
    source = (
        HEAD
        + """float* y) {
  __shared__ float s[32]; GT_SHARED(128); float* d = (float*)gt_shared; int t = threadIdx.x;
  y[blockIdx.x * 32 + t] = s[t] + d[t]; __syncthreads(); s[t] = d[t] = 1; }"""
    )
    y = gpu.alloc(3 * 32 * 4, fill=0)
    launch(gpu, source, y, grid=3, dynamic=128)
    assert np.isnan(gpu.download(y, (96,), np.float32)).all()


def test_atomics_and_vectors(gpu: Gpu) -> None:
    source = (
        HEAD
        + """const float4* x, int* y) {
  float4 v = x[threadIdx.x]; atomicAdd(y, (int)(v.x + v.w)); atomicMax(y + 1, (int)v.y);
  atomicCAS(y + 2, 0, 7); atomicExch(y + 3, 9); atomicMin(y + 4, (int)v.z); }"""
    )
    x = np.arange(128, dtype=np.float32)
    y = gpu.upload(np.array([0, 0, 0, 0, 99], np.int32))
    launch(gpu, source, gpu.upload(x), y)
    rows = x.reshape(32, 4).astype(int)
    want = [rows[:, 0].sum() + rows[:, 3].sum(), rows[:, 1].max(), 7, 9, rows[:, 2].min()]
    np.testing.assert_array_equal(gpu.download(y, (5,), np.int32), want)


def test_functions_that_cpp_lacks(gpu: Gpu) -> None:
    y = np.linspace(-0.999, 0.999, 32, dtype=np.float32)
    x = lanes(gpu, "y[t] = erfinvf(x[t]);", y)
    np.testing.assert_allclose([math.erf(v) for v in x], y, rtol=3e-7)
    np.testing.assert_allclose(lanes(gpu, "y[t] = rsqrtf(x[t] + 2);", y), 1 / np.sqrt(y + 2), rtol=1e-6)


def test_16_bit_floats(gpu: Gpu) -> None:
    """All 65536 of them come back, and floats around ties are rounded as numpy does."""
    source = (
        HEAD
        + """const float* x, unsigned short* y) {
  int t = blockIdx.x * 256 + threadIdx.x; y[t] = gt_to_f16(x[t]); }"""
    )
    every = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.concatenate([every, np.nextafter(every, np.float32(9e9)), every * np.float32(1 + 2**-11)])
        want = near.astype(np.float16)
    y = gpu.alloc(near.size * 2)
    launch(gpu, source, gpu.upload(near), y, grid=near.size // 256, block=256)
    np.testing.assert_array_equal(gpu.download(y, near.shape, np.float16), want)
    source = (
        HEAD
        + """const unsigned short* x, float* y) {
  int t = blockIdx.x * 256 + threadIdx.x; y[t] = gt_from_f16(x[t]); }"""
    )
    y = gpu.alloc(every.nbytes)
    launch(gpu, source, gpu.upload(np.arange(65536, dtype=np.uint16)), y, grid=256, block=256)
    np.testing.assert_array_equal(gpu.download(y, every.shape, np.float32), every)


# ---- copies and matrices --------------------------------------------------------------------------

MMA = (
    HEAD
    + """const float* a, const float* b, float* c) {
  int lane = threadIdx.x, g = lane / 4, p = lane % 4;
  %s
  for (int i = 0; i < 4; ++i) c[(g + 8 * (i / 2)) * 8 + 2 * p + i %% 2] = d[i]; }"""
)
TF32 = """float d[4] = {1, 2, 3, 4};
  float l[4] = {a[g * 8 + p], a[(g + 8) * 8 + p], a[g * 8 + p + 4], a[(g + 8) * 8 + p + 4]};
  float r[2] = {b[p * 8 + g], b[(p + 4) * 8 + g]};
  gt_mma_m16n8k8_tf32(d, l, r);"""
HALF = """float d[4] = {1, 2, 3, 4};
  #define PACK(low, high) ((unsigned)TO(low) | (unsigned)TO(high) << 16)
  unsigned l[4], r[2];
  for (int i = 0; i < 4; ++i) {
    const float* at = a + (g + 8 * (i % 2)) * 16 + 2 * p + 8 * (i / 2);
    l[i] = PACK(at[0], at[1]);
  }
  for (int i = 0; i < 2; ++i) {
    const float* at = b + (2 * p + 8 * i) * 8 + g;
    r[i] = PACK(at[0], at[8]);
  }
  MMA(d, l, r);"""


KINDS = [("tf32", 8), ("bf16", 16), ("f16", 16)]


@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_mma_is_a_product(kind: str, depth: int, gpu: Gpu) -> None:
    """Operands of few bits are exact, so the product is; the fragments are those of the PTX ISA's figures."""
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-60, 60, s).astype(np.float32) / 8 for s in ((16, depth), (depth, 8)))
    to = "gt_to_f16(x)" if kind == "f16" else "(__float_as_uint(x) >> 16)"
    text = MMA.replace("%s", TF32 if kind == "tf32" else HALF).replace("%%", "%")
    source = f"#define TO(x) {to}\n#define MMA gt_mma_m16n8k16_{kind}\n" + text
    c = gpu.alloc(16 * 8 * 4)
    launch(gpu, source, gpu.upload(a), gpu.upload(b), c)
    start = np.empty((16, 8))
    start[:8, ::2], start[:8, 1::2], start[8:, ::2], start[8:, 1::2] = 1, 2, 3, 4
    np.testing.assert_array_equal(gpu.download(c, (16, 8), np.float32), a @ b + start)


def test_tf32_drops_bits(gpu: Gpu) -> None:
    """To the nearest of 10 bits, ties away from zero."""
    a, b = np.zeros((16, 8), np.float32), np.zeros((8, 8), np.float32)
    values = np.float32(1) + np.array([0, 1, 2, 3, 4, 5, 6, 7], np.float32) * np.float32(2**-12)
    a[0], b[:] = values, np.eye(8, dtype=np.float32)
    c = gpu.alloc(16 * 8 * 4)
    launch(gpu, MMA.replace("%s", TF32).replace("%%", "%"), gpu.upload(a), gpu.upload(b), c)
    got = gpu.download(c, (16, 8), np.float32)[0] - np.where(np.arange(8) % 2, 2, 1)
    np.testing.assert_array_equal(got, 1 + np.floor(np.arange(8) / 4 + 0.5) * 2**-10)


@pytest.mark.parametrize("transposed", [False, True])
def test_ldmatrix_spreads_rows_over_lanes(transposed: bool, gpu: Gpu) -> None:
    source = (
        HEAD
        + f"""const unsigned short* x, unsigned* y) {{
  __shared__ __align__(16) unsigned short s[32 * 8]; int t = threadIdx.x;
  for (int i = 0; i < 8; ++i) s[t * 8 + i] = x[t * 8 + i];
  __syncthreads();
  gt_ldmatrix{"_trans" if transposed else ""}(y + 4 * t, &s[t * 8]); }}"""
    )
    x = np.arange(256, dtype=np.uint16).reshape(4, 8, 8)
    y = gpu.alloc(32 * 4 * 4)
    launch(gpu, source, gpu.upload(x), y)
    got = gpu.download(y, (32, 4, 2), np.uint16)  # lane, matrix, half
    each = x.transpose(0, 2, 1) if transposed else x
    np.testing.assert_array_equal(got, each.reshape(4, 32, 2).transpose(1, 0, 2))


COPY = (
    HEAD
    + """const float* x, float* y) {
  __shared__ __align__(16) float s[2][128]; int t = threadIdx.x;
  gt_copy<16>(&s[0][4 * t], x + 4 * t, true); gt_commit();
  gt_copy<16>(&s[1][4 * t], x + 4 * t, t < 16); gt_commit();
  gt_wait<%d>();
  __syncthreads();
  for (int i = 0; i < 2; ++i) for (int j = 0; j < 4; ++j) y[i * 128 + 4 * t + j] = s[i][4 * t + j]; }"""
)


@pytest.mark.parametrize(("pending", "landed"), [(0, 2), (1, 1), (2, 0)])
def test_copies_land_at_their_wait(pending: int, landed: int, gpu: Gpu) -> None:
    x = np.arange(128, dtype=np.float32)
    y = gpu.alloc(1024)
    launch(gpu, COPY % pending, gpu.upload(x), y)
    want = np.stack([x, np.where(np.arange(128) < 64, x, 0)])
    want[landed:] = np.nan
    np.testing.assert_array_equal(gpu.download(y, (2, 128), np.float32), want)
