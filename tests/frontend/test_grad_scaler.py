"""GradScaler against torch's: overflows, the scale from step to step, in eager mode and in a compiled step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.errors import ArgumentError, AutogradError

torch = pytest.importorskip("torch")

#: factors of the loss; some make gradients that are not finite
FACTORS = [1.0, 2.0, float("inf"), 1.0, 0.5, 3.0, float("nan"), float("inf"), 1.0, 1.5, 2.0, 0.25]
SETTINGS = {"init_scale": 64.0, "growth_factor": 4.0, "backoff_factor": 0.25, "growth_interval": 2}


def run(lib: Any, optimizer_name: str, compiled: bool, clipped: bool) -> tuple[list[Any], list[float], dict[str, Any]]:
    w = lib.nn.Parameter(lib.from_numpy(np.linspace(-1, 2, 7).astype(np.float32)))
    b = lib.nn.Parameter(lib.from_numpy(np.array([0.5], np.float32)))
    options = {"momentum": 0.9} if optimizer_name == "SGD" else {}
    optimizer = getattr(lib.optim, optimizer_name)([w, b], lr=0.03, **options)
    scaler = lib.amp.GradScaler("cpu", **SETTINGS)

    def step(factor: Any) -> Any:
        optimizer.zero_grad()
        loss = ((w * w).sum() + (b * w).sum()) * factor
        scaler.scale(loss).backward()
        if clipped:
            scaler.unscale_(optimizer)
            lib.nn.utils.clip_grad_norm_([w, b], 0.7)
        scaler.step(optimizer)
        scaler.update()
        return loss

    call, found, scales = lib.compile(step) if compiled else step, [], []
    for factor in FACTORS:
        call(lib.tensor(factor))
        found.append(np.concatenate([w.detach().numpy(), b.detach().numpy()]).copy())
        scales.append(scaler.get_scale())
    return found, scales, scaler.state_dict()


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_steps_are_torchs(optimizer: str, compiled: bool, clipped: bool) -> None:
    ours, theirs = run(gt, optimizer, compiled, clipped), run(torch, optimizer, False, clipped)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
    assert ours[1] == theirs[1] and ours[2] == theirs[2]
    assert len(set(map(bytes, ours[0]))) < len(FACTORS)  # some steps were left out


@pytest.mark.parametrize("compiled", [False, True])
def test_an_overflow_at_the_first_step_changes_nothing(compiled: bool) -> None:
    p = gt.nn.Parameter(gt.ones(3))
    optimizer, scaler = gt.optim.Adam([p], lr=0.1), gt.amp.GradScaler("cpu", init_scale=8.0)

    def step(factor: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = (p * factor).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    call = gt.compile(step) if compiled else step
    call(gt.tensor(float("inf")))
    assert p.tolist() == [1.0] * 3 and scaler.get_scale() == 4.0
    call(gt.tensor(1.0))
    np.testing.assert_allclose(p.detach().numpy(), 0.9, rtol=1e-5)  # Adam's first step, not its second


def test_what_is_scaled_keeps_its_structure() -> None:
    scaler = gt.amp.GradScaler("cpu", init_scale=4.0)
    one, (two, [three]) = scaler.scale((gt.ones(2), (gt.ones(1), [gt.ones(()) * 2])))
    assert one.tolist() == [4.0, 4.0] and two.tolist() == [4.0] and three.item() == 8.0


def test_several_optimizers_share_the_scale() -> None:
    p, q = (gt.nn.Parameter(gt.ones(2)) for _ in range(2))
    optimizers = [gt.optim.SGD([t], lr=1.0) for t in (p, q)]
    scaler = gt.amp.GradScaler("cpu", init_scale=16.0)
    scaler.scale(p.sum() + q.sum() * float("inf")).backward()
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.0, 0.0] and q.tolist() == [1.0, 1.0] and scaler.get_scale() == 8.0


def test_settings_go_through_a_state_dict() -> None:
    scaler = gt.amp.GradScaler("cpu", init_scale=32.0, growth_interval=3)
    other = gt.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict() and other.get_growth_interval() == 3
    other.update(2.0)
    assert other.get_scale() == 2.0
    with pytest.raises(ArgumentError, match="GT304"):
        other.load_state_dict({})


def test_off_it_does_nothing() -> None:
    p = gt.nn.Parameter(gt.ones(2))
    optimizer, scaler = gt.optim.SGD([p], lr=1.0), gt.amp.GradScaler("cpu", enabled=False)
    x = p.sum()
    assert scaler.scale(x) is x and scaler.state_dict() == {} and scaler.get_scale() == 1.0
    x.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.0, 0.0] and not scaler.is_enabled()


def test_without_a_gpu_it_is_off() -> None:
    if gt.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.warns(UserWarning, match="there is no GPU"):
        assert not gt.amp.GradScaler().is_enabled()


def test_misuse_is_named() -> None:
    p = gt.nn.Parameter(gt.ones(2))
    optimizer, scaler = gt.optim.SGD([p], lr=1.0), gt.amp.GradScaler("cpu")
    with pytest.raises(AutogradError, match=r"GT514.*no parameter"):
        scaler.step(optimizer)
    with pytest.raises(AutogradError, match="GT514"):
        scaler.update()
    p.sum().backward()
    scaler.unscale_(optimizer)
    with pytest.raises(AutogradError, match=r"GT514.*already"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(AutogradError, match=r"GT514.*twice"):
        scaler.step(optimizer)
    half = gt.nn.Parameter(gt.ones(2, dtype=gt.float16))
    half.sum().backward()
    with pytest.raises(AutogradError, match=r"GT514.*float16"):
        scaler.unscale_(gt.optim.SGD([half], lr=1.0))
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}, {"growth_interval": 0}):
        with pytest.raises(ArgumentError, match="GT304"):
            gt.amp.GradScaler("cpu", **wrong)
