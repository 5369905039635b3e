"""What fuse says of its decisions: bytes, what is computed again, and why kernels are apart."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.errors import IRError
from graphtorch.ir.passes import _joining
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import SCHEDULE, SIMPLIFY

F = nn.functional


def report(function: Any, *shapes: tuple[int, ...], options: Fuse = Fuse()) -> str:  # noqa: B008  # it is frozen
    return options.explain(run_passes(gt.trace(function, *(gt.zeros(*s) for s in shapes)), SIMPLIFY))


def test_bytes_are_those_of_what_is_read_and_written() -> None:
    text = report(lambda x, y: gt.exp(x * y) + 1, (50, 20), (50, 20))
    assert text.splitlines() == [
        "3 nodes, 1 kernels; 12 kB moved, 28 kB by a kernel for each node",
        "",
        "0: %0 (loop): mul exp add",
        "  reads 8 kB, writes 4 kB; each node by itself would move 16 kB more",
    ]


def step() -> Any:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    optimizer, loss_fn = optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()

    def run(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return run


def test_values_have_the_names_of_the_fused_graph() -> None:
    graph = run_passes(gt.trace(step(), gt.zeros(4, 3, 8, 8), gt.zeros(4, dtype=gt.int64)), SIMPLIFY)
    fused, text = run_passes(graph, SCHEDULE), Fuse().explain(graph)
    heads = [line for line in text.splitlines() if line[:1].isdigit()][1:]
    kernels = [n for n in fused.nodes if n.op.name == "fusion"]
    lines = [line for line in str(fused).splitlines() if " = fusion(" in line]
    assert len(heads) == len(kernels) == len(lines)
    for head, line in zip(heads, lines, strict=True):
        names = [part.split(":")[0].strip() for part in line.split(" = fusion(")[0].split(", %")]
        assert head.split(": ", 1)[1].startswith(", %".join(names) + " (")
    assert "computes again, instead of reading it: sub f32[4,8,8,8]" in text


@pytest.mark.parametrize(
    ("function", "shapes", "options", "reason"),
    [
        (lambda x: gt.amax(x, 0).sum(), [(50, 30)], Fuse(), _joining.TWO_REDUCTIONS),
        (lambda x: (x @ x).exp() @ x, [(64, 64)], Fuse(), _joining.TWO_REDUCTIONS),
        (lambda x: gt.tanh(x) @ x, [(64, 64)], Fuse(), _joining.DEAR),
        (lambda x, y: ((z := x + 1) @ y, z), [(64, 64), (64, 64)], Fuse(), _joining.SHARED),
        (lambda x, y: (x + 1) @ y, [(64, 64), (64, 64)], Fuse(prologues=False), _joining.SWITCHED_OFF),
        (lambda x: gt.exp(gt.sin(x)), [(50, 30)], Fuse(max_ops=1), _joining.FULL),
        (lambda x: F.scaled_dot_product_attention(x, x, x) + 1, [(2, 9, 4)], Fuse(), _joining.CLOSED_KERNEL),
        (lambda x: F.scaled_dot_product_attention(gt.exp(x), x, x), [(2, 9, 4)], Fuse(), _joining.MOVED),
    ],
    ids=["sum of maxima", "product of a product", "dear", "shared", "switched off", "full", "closed", "computed"],
)
def test_why_kernels_are_apart(function: Any, shapes: Any, options: Fuse, reason: str) -> None:
    assert f": {reason}\n" in report(function, *shapes, options=options)


def test_it_is_among_the_stages(tmp_path: Any) -> None:
    compiled = gt.compile(lambda x: F.softmax(x, -1))
    compiled(gt.zeros(7, 5))
    assert "(reduce): reduce_max sub exp" in compiled.stages[0]["fusion"]
    assert any(path.endswith("-fusion.txt") for path in compiled.dump(str(tmp_path)))


def test_of_a_graph_that_is_fused_there_is_none() -> None:
    from graphtorch.codegen.stages import fusion_text

    graph = gt.trace(lambda x: x + 1, gt.zeros(3))
    assert fusion_text(graph).startswith("1 nodes, 1 kernels;")
    with pytest.raises(IRError, match=r"GT812.*fused already"):
        fusion_text(run_passes(graph, SCHEDULE))
