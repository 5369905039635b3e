"""autocast to float16 and GradScaler on a GPU: the numbers of the CPU, and a step that is one launch all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.runtime.cuda_executable import CudaExecutable

pytestmark = pytest.mark.gpu


def test_functions_choose_their_dtype() -> None:
    x = gt.ones(3, 3, device="cuda")
    with gt.autocast("cuda"):
        low = x @ x
        assert low.dtype == gt.float16 and low.exp().dtype == gt.float32 and low.relu().dtype == gt.float16
        assert nn.functional.layer_norm(low, (3,)).dtype == gt.float32
        assert (x.cpu() @ x.cpu()).dtype == gt.float32
    assert (x @ x).dtype == gt.float32


def trained(device: str, compiled: bool) -> tuple[list[float], list[Any], float, Any]:
    gt.manual_seed(2)
    model = nn.Sequential(nn.Linear(9, 21), nn.ReLU(), nn.LayerNorm(21), nn.Linear(21, 5)).to(device)
    optimizer = gt.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = gt.amp.GradScaler(device, init_scale=256.0, growth_interval=2)

    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        with gt.autocast(device, dtype=gt.float16):
            loss = nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    run = gt.compile(step) if compiled else step
    rng, losses = np.random.default_rng(1), []
    for i in range(5):
        x = rng.standard_normal((13, 9), np.float32) * (1e5 if i == 2 else 1)  # more than float16 has
        losses.append(run(*(gt.from_numpy(a).to(device) for a in (x, rng.integers(0, 5, 13)))).item())
    return losses, [p.detach().cpu().numpy() for p in model.parameters()], scaler.get_scale(), run


@pytest.mark.parametrize("compiled", [False, True])
def test_training_is_the_cpus(compiled: bool) -> None:
    losses, parameters, scale, run = trained("cuda", compiled)
    want_losses, want, want_scale, _ = trained("cpu", False)
    np.testing.assert_allclose(losses, want_losses, rtol=5e-3)
    for a, b in zip(parameters, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-3)
    assert scale == want_scale == 512.0  # doubled, halved, and doubled again
    if compiled:
        (program,) = run._order
        assert isinstance(program.forward, CudaExecutable)
        assert any(r is not None for r in program.forward._recordings.values())
