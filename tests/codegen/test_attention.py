"""Attention, forward and backward: against eager in float64, over odd sizes, masks, both dtypes, nan; and what of it is
in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.codegen.emit_llvm import workspace_bytes
from graphtorch.codegen.legalize import legalize
from graphtorch.codegen.schedule.cpu import schedule_cpu
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE, OPTIMIZE_CUDA, SIMPLIFY
from graphtorch.runtime import entry, executable
from graphtorch.runtime.interp import run_kernel
from tests.codegen.nests import f32, nest_of, random_array, reference
from tests.codegen.test_contract import HOST, poisoned, threads
from tests.sampling import sampled

__all__ = ["threads"]  # a fixture
F = nn.functional
Array = Any

#: leading shape, rows, columns, depth, width, and what hides keys
CASES = [
    ((), 1, 1, 1, 1, ""),
    ((), 7, 5, 3, 4, ""),
    ((2, 3), 7, 5, 4, 6, "causal"),
    ((3,), 5, 9, 17, 33, "bool"),
    ((17,), 33, 65, 16, 9, "float"),
    ((17,), 130, 131, 16, 9, "causal"),
    ((2,), 131, 130, 8, 24, "causal"),
    ((1, 2), 200, 70, 40, 72, "bool"),
    ((16,), 70, 65, 12, 5, "bool"),
    ((2,), 64, 128, 64, 64, ""),
    ((18,), 300, 1100, 8, 8, "causal"),
    ((0,), 5, 6, 7, 8, ""),
    ((2,), 0, 6, 7, 8, "causal"),
    ((3,), 5, 0, 7, 8, ""),
    ((3,), 5, 6, 0, 8, ""),
    ((3,), 5, 6, 7, 0, ""),
]


def operands(case: Any, dtype: Any) -> tuple[list[Array], list[Array], bool]:
    """query, key, value and the gradient of the output; the mask, if there is one; and whether it is causal."""
    lead, rows, columns, depth, width, hidden = case
    rng = np.random.default_rng(5)
    shapes = ((rows, depth), (columns, depth), (columns, width), (rows, width))
    arrays = [rng.standard_normal((*lead, *s)).astype(dtype.np) for s in shapes]
    masks = {
        "bool": rng.random((rows, columns)) < 0.6,
        "float": rng.standard_normal((*lead, rows, columns)).astype(dtype.np),
    }
    if hidden == "bool":
        masks["bool"][rows // 2] = False  # a row that sees nothing
    return arrays, [masks[hidden]] if hidden in masks else [], hidden == "causal"


def step(causal: bool) -> Callable[..., Any]:
    def run(query: Any, key: Any, value: Any, grad: Any, *mask: Any) -> Any:
        out = F.scaled_dot_product_attention(query, key, value, *mask, is_causal=causal)
        out.backward(grad)
        return out

    return run


def results(function: Callable[..., Any], arrays: list[Array], masks: list[Array]) -> list[Array]:
    """The output, and the gradients of query, key and value."""
    leaves = [gt.tensor(a).requires_grad_() for a in arrays[:3]]
    out = function(*leaves, gt.tensor(arrays[3]), *(gt.tensor(m) for m in masks))
    return [t.detach().numpy() for t in (out, *(leaf.grad for leaf in leaves))]


def doubles(arrays: list[Array]) -> list[Array]:
    return [a if a.dtype == bool else a.astype(np.float64) for a in arrays]


@pytest.mark.parametrize(  # in float64 some of the cases
    ("case", "dtype"),
    sampled(itertools.product(CASES, [gt.float32, gt.float64]), 30, lambda c: c[1] == gt.float64 or c),
)
def test_attention(case: Any, dtype: Any, threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled against eager in float64, and bit for bit on 1 to 4 threads."""
    for module in (entry, executable):
        monkeypatch.setattr(module, "aligned", poisoned)
    arrays, masks, causal = operands(case, dtype)
    want = results(step(causal), doubles(arrays), doubles(masks))
    compiled, runs = gt.compile(step(causal)), []
    for count in (1, 2, 3, 4):
        gt.set_num_threads(count)
        runs.append(results(compiled, arrays, masks))
    tolerance = 2e-6 if dtype == gt.float32 else 1e-14
    for number, expected in enumerate(want):
        for other in runs[1:]:
            np.testing.assert_array_equal(runs[0][number], other[number])
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(runs[0][number], expected, rtol=0, atol=4 * tolerance * scale)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(3))
def test_what_is_not_finite_is_so_where_it_is_in_eager_mode(special: float, where: int) -> None:
    arrays, masks, causal = operands(((17,), 70, 67, 8, 9, ""), gt.float32)
    arrays[where][3, 5, 2] = special
    found, want = (results(f, arrays, masks) for f in (gt.compile(step(causal)), step(causal)))
    for a, b in zip(found, want, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_great_scores_do_not_overflow() -> None:
    arrays, masks, _ = operands(((2,), 70, 67, 8, 9, ""), gt.float32)
    arrays[0] *= 1000
    out = results(gt.compile(step(False)), arrays, masks)[0]
    want = results(step(False), doubles(arrays), masks)[0]
    np.testing.assert_allclose(out, want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("attrs", [{"causal": False}, {"causal": True}], ids=str)
def test_interpreted(attrs: Any) -> None:
    """The Kernel IR means the same to the interpreter, before and after it is legal."""
    attrs = {**attrs, "scale": 0.4}
    query, key, value = f32(2, 5, 3), f32(2, 9, 3), f32(2, 9, 4)
    row = f32(2, 5)
    for name, types in (
        ("attention", (query, key, value)),
        ("attention_grad", (f32(2, 5, 4), query, key, value, row, row)),
    ):
        arrays = [random_array(t, n) for n, t in enumerate(types)]
        kernel = schedule_cpu(nest_of(name, *types, **attrs), HOST)
        for k in (kernel, legalize(kernel)):
            outs = [np.full(p.buffer.shape, 113, np.float32) for p in k.params if p.mode == "out"]
            ins = [a.reshape(p.buffer.shape) for a, p in zip(arrays, k.params, strict=False)]
            run_kernel(k, [*ins, *outs])
            for a, b in zip(outs, reference(name, *arrays, **attrs), strict=True):
                np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-4, atol=1e-5)


# ---- what is in memory ----------------------------------------------------------------------------


def heads(x: Any, number: int) -> tuple[Any, Any, Any]:
    """query, key and value of all heads, of one product: as models have them."""
    batch, length, width = x.shape
    parts = [x[..., i * width // 3 : (i + 1) * width // 3] for i in range(3)]
    return tuple(p.reshape(batch, length, number, width // 3 // number).transpose(1, 2) for p in parts)


def block(x: Any) -> Any:
    out = F.scaled_dot_product_attention(*heads(x, 2), is_causal=True)
    out.transpose(1, 2).reshape(x.shape[0], x.shape[1], x.shape[2] // 3).sum().backward()


def test_no_matrix_of_all_scores_is_in_memory() -> None:
    graph = run_passes(gt.trace(block, gt.zeros(3, 97, 24, requires_grad=True)), OPTIMIZE)
    values = [r.type for n in graph.nodes for r in n.results]
    assert not any(t.shape[-2:] == (97, 97) for t in values)
    kinds = [n.attrs["kind"] for n in graph.nodes if n.body is not None]
    assert kinds.count("attention") == 2
    kernels = [schedule_cpu(nest_of("attention", *[f32(2, 3, 97, 4)] * 3, scale=1.0, causal=True), HOST)]
    assert all(workspace_bytes(k) == 0 for k in kernels)


def test_operands_are_read_where_they_lie() -> None:
    """Slices of one product, in pieces, transposed: no copy is made of them, nor of the gradient's pieces but one."""
    graph = run_passes(gt.trace(block, gt.zeros(3, 97, 24, requires_grad=True)), OPTIMIZE)
    kinds = [n.attrs["kind"] for n in graph.nodes if n.body is not None]
    assert sorted(kinds) == ["attention", "attention", "loop", "reduce"]


def test_what_nobody_reads_is_not_computed() -> None:
    graph = run_passes(gt.trace(lambda q: F.scaled_dot_product_attention(q, q, q), gt.zeros(3, 9, 4)), OPTIMIZE)
    (node,) = (n for n in graph.nodes if n.body is not None)
    assert [r.type.shape for r in node.results] == [(3, 9, 4)]


def test_decomposed_for_cuda() -> None:
    from graphtorch.ir.evaluate import evaluate

    arrays, _, _ = operands(((3,), 7, 5, 4, 6, ""), gt.float64)
    traced = gt.trace(step(True), *(gt.tensor(a).requires_grad_(n < 3) for n, a in enumerate(arrays)))
    graph = run_passes(traced, OPTIMIZE_CUDA)
    names = {n.op.name for f in graph.nodes for n in (f, *(f.body.nodes if f.body else ()))}
    assert {name for name in names if name.startswith("attention")} <= {"attention"}  # forward alone has a kernel
    simple = run_passes(traced, SIMPLIFY)
    for a, b in zip(evaluate(graph, arrays)[0], evaluate(simple, arrays)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


# ---- the public function --------------------------------------------------------------------------


def t(*shape: int, dtype: Any = gt.float32) -> Any:
    return gt.tensor(np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype.np))


def test_leading_dimensions_broadcast() -> None:
    q, k, v = t(3, 1, 5, 4), t(2, 7, 4), t(7, 6)
    out = F.scaled_dot_product_attention(q, k, v)
    assert out.shape == (3, 2, 5, 6)
    s = (q.numpy() @ k.numpy().swapaxes(-1, -2)) / 2
    e = np.exp(s - s.max(-1, keepdims=True))
    np.testing.assert_allclose(out.numpy(), e / e.sum(-1, keepdims=True) @ v.numpy(), rtol=1e-5, atol=1e-6)


def test_heads_may_be_shared() -> None:
    q, k, v = t(2, 6, 5, 4), t(2, 3, 7, 4), t(2, 3, 7, 8)
    found = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    each = [F.scaled_dot_product_attention(q[:, h], k[:, h // 2], v[:, h // 2]) for h in range(6)]
    np.testing.assert_allclose(found.numpy(), gt.stack(each, 1).numpy(), rtol=1e-6)


def test_dropout_zeroes_weights_and_keeps_their_mean() -> None:
    q, k, v = t(4, 64, 8), t(4, 64, 8), gt.ones(4, 64, 3)
    gt.manual_seed(0)
    kept = F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    assert abs(float(kept.mean()) - 1) < 0.05 and float(kept.std()) > 0.05
    gt.manual_seed(0)
    again = gt.compile(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.5))(q, k, v)
    np.testing.assert_allclose(again.numpy(), kept.numpy(), rtol=1e-5)
    assert not F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).numpy().any()


def test_scale() -> None:
    q, k, v = t(5, 4), t(7, 4), t(7, 6)
    found = F.scaled_dot_product_attention(q, k, v, scale=0.25)
    np.testing.assert_allclose(found.numpy(), F.scaled_dot_product_attention(q / 2, k, v).numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (lambda: (t(5, 4), t(7, 3), t(7, 6)), "GT103 in scaled_dot_product_attention: query [5, 4], key [7, 3]"),
        (lambda: (t(4), t(7, 4), t(7, 6)), "GT107 in scaled_dot_product_attention: query must be [..., length, depth]"),
        (lambda: (t(2, 5, 4), t(3, 7, 4), t(7, 6)), "GT101 in scaled_dot_product_attention"),
        (lambda: (t(5, 4), t(7, 4), t(7, 6), t(5, 8) > 0), "GT104 in scaled_dot_product_attention: [5, 8]"),
        (lambda: (t(5, 4), t(7, 4), t(7, 6), t(5, 7) > 0, 0.0, True), "attn_mask and is_causal=True are not allowed"),
        (lambda: (t(5, 4), t(7, 4), t(7, 6), None, 1.5), "dropout_p=1.5"),
        (
            lambda: (t(2, 4, 5, 4), t(2, 3, 7, 4), t(2, 3, 7, 6), None, 0.0, False, None, True),
            "enable_gqa=True cannot share 3 heads of key among 4 of query",
        ),
    ],
)
def test_refusals(arguments: Callable[[], Any], text: str) -> None:
    with pytest.raises(gt.errors.GraphTorchError) as error:
        F.scaled_dot_product_attention(*arguments())
    assert text in str(error.value)


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES[1:11], ids=str)
def test_as_torch(case: Any) -> None:
    torch = pytest.importorskip("torch")
    arrays, masks, causal = operands(case, gt.float64)
    leaves = [torch.tensor(a).requires_grad_() for a in arrays[:3]]
    mask = torch.tensor(masks[0]) if masks else None
    out = torch.nn.functional.scaled_dot_product_attention(*leaves, mask, is_causal=causal)
    out.backward(torch.tensor(arrays[3]))
    found = results(gt.compile(step(causal)), arrays, masks)
    for a, b in zip(found, (out, *(leaf.grad for leaf in leaves)), strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-9, atol=1e-11)
