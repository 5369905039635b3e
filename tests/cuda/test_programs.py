"""Programs on a GPU: recorded once, replayed by calls, and never writing what a caller has."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import DeviceError, IndexRangeError, TraceError
from graphtorch.runtime.cuda_executable import CudaExecutable

pytestmark = pytest.mark.gpu


def program(f: Any) -> CudaExecutable:
    (found,) = f._order
    assert isinstance(found.forward, CudaExecutable)
    return found.forward


def test_calls_are_replays_and_results_stay() -> None:
    f, kept = gt.compile(lambda x, y: (x * 2 + y, (x * y).sum(1))), []
    for i in range(6):
        x, y = (gt.full((30, 70), float(n), device="cuda") for n in (i, i + 1))
        kept.append((i, f(x, y)))
    assert [r is not None for r in program(f)._recordings.values()] == [False, False, False, True]
    for i, (a, b) in kept:
        assert a.shape == (30, 70) and (a == 3 * i + 1).all().item() and (b == 70 * i * (i + 1)).all().item()


def test_large_results_that_are_kept_stay_as_well() -> None:
    f, kept = gt.compile(lambda x: x * 2 + 1), []
    for i in range(5):
        kept.append(f(gt.full((300, 70), float(i), device="cuda")))
    for _ in range(4):
        x = f(gt.full((300, 70), 9.0, device="cuda"))
    assert [(k == 2 * i + 1).all().item() for i, k in enumerate(kept)] == [True] * 5 and x[0, 0].item() == 19
    assert any(r is not None for r in program(f)._recordings.values())


def test_arguments_may_be_the_cpus() -> None:
    w = gt.ones(5, device="cuda")
    f = gt.compile(lambda x: x * w + 1)
    for i in range(4):
        out = f(gt.full((5,), float(i)))
        assert out.is_cuda and out.tolist() == [i + 1.0] * 5
    g = gt.compile(lambda x: x.to("cuda") * 3)
    assert g(gt.ones(2)).device == gt.device("cuda:0")
    h = gt.compile(lambda x: x.add_(w))
    x = gt.zeros(5)
    for _ in range(3):
        h(x)
    assert x.is_cpu and x.tolist() == [3.0] * 5


def test_state_that_lies_apart_is_written_where_it_is() -> None:
    base = gt.zeros(4, 6, device="cuda")
    state = base[:, 1:4]

    def step(s: gt.Tensor, x: gt.Tensor) -> gt.Tensor:
        s.add_(x)
        return s.sum()

    f = gt.compile(step)
    for i in range(4):
        assert f(state, gt.ones(4, 3, device="cuda")).item() == 12.0 * (i + 1)
    np.testing.assert_array_equal(base.cpu().numpy()[0], [0, 4, 4, 4, 0, 0])


def test_numbers_are_read_at_every_call() -> None:
    p = nn.Parameter(gt.zeros(3, device="cuda"))
    optimizer = gt.optim.SGD([p], lr=1.0)

    def step() -> gt.Tensor:
        optimizer.zero_grad()
        loss = p.sum()
        loss.backward()
        optimizer.step()
        return loss

    f = gt.compile(step)
    for rate in (1.0, 0.5, 0.25, 0.25):
        optimizer.param_groups[0]["lr"] = rate
        f()
    assert p.tolist() == [-2.0] * 3 and len(f.stats) == 1


def test_gradients_stay_those_of_their_step() -> None:
    net = nn.Linear(120, 90, device="cuda")
    optimizer = gt.optim.SGD(net.parameters(), lr=0.0)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = net(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    f, kept = gt.compile(step), []
    for i in range(6):
        f(gt.full((2, 120), float(i), device="cuda"))
        if i % 2:
            kept.append((i, net.weight.grad))
    assert all((g == 2.0 * i).all().item() for i, g in kept)


def test_draws_are_the_cpus_and_go_on() -> None:
    found = {}
    for device in ("cpu", "cuda"):
        f = gt.compile(lambda x: nn.functional.dropout(x, 0.5) + gt.rand_like(x))
        gt.manual_seed(3)
        found[device] = [f(gt.ones(33, device=device)).tolist() for _ in range(4)]
    np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=1e-6)
    assert found["cpu"][0] != found["cpu"][1]


def test_a_module_joins_eager_autograd() -> None:
    found = []
    for device in ("cpu", "cuda"):
        gt.manual_seed(5)
        net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.BatchNorm1d(9), nn.Linear(9, 4)).to(device)
        run = gt.compile(net)
        for i in range(3):
            x = gt.from_numpy(np.random.default_rng(i).standard_normal((7, 6), np.float32)).to(device).requires_grad_()
            nn.functional.mse_loss(run(x), gt.ones(7, 4, device=device)).backward()
        found.append([x.grad, *(p.grad for p in net.parameters()), net[2].running_var])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b.cpu().numpy(), a.numpy(), rtol=2e-5, atol=2e-6)


def test_constants_of_a_trace_are_there() -> None:
    f = gt.compile(lambda x: x * gt.tensor([1.0, 2.0, 4.0]) + gt.arange(3) + gt.zeros(3, device=x.device))
    for _ in range(3):
        assert f(gt.ones(3, device="cuda")).tolist() == [1.0, 3.0, 6.0]
    assert f(gt.ones(3)).is_cpu and len(f.stats) == 2


def test_a_program_is_for_the_device_that_it_was_traced_on() -> None:
    net = nn.Linear(3, 2)
    f = gt.compile(lambda x: net(x))
    with gt.no_grad():
        want = f(gt.ones(1, 3))
        net.to("cuda")
        got = f(gt.ones(1, 3, device="cuda"))
        np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=1e-6)
        net.cpu()
        assert f(gt.ones(1, 3)).is_cpu


def test_several_devices(second: gt.device) -> None:
    f = gt.compile(lambda x: (x * 3).sum())
    assert [f(gt.ones(4, device=d)).device for d in ("cuda:0", second, "cuda:0")] == [
        gt.device("cuda:0"), second, gt.device("cuda:0")
    ]  # fmt: skip
    w = gt.ones(4, device=second)
    with pytest.raises(DeviceError, match=r"GT409.*cuda:0.*cuda:1"):
        gt.compile(lambda x: x * w)(gt.ones(4, device="cuda:0"))


def test_refusals_name_what_is_wrong() -> None:
    x, y = gt.ones(3, device="cuda"), gt.ones(3)
    with pytest.raises(DeviceError, match=r"GT404(.*\n)+.*f32\[3\] on cpu"):
        gt.compile(lambda x: x + y)(x)
    with pytest.raises(DeviceError, match=r"GT409(.*\n)+.*\.cpu\(\) on the result"):
        gt.compile(lambda x: (x + 1).cpu())(x)
    with pytest.raises(DeviceError, match=r"GT407.*sort has no kernel(.*\n)+.*test_programs\.py"):
        gt.compile(lambda x: x.sort().values)(x)
    with pytest.raises(TraceError, match="GT607"):
        gt.compile(lambda a, b: a.add_(b))(x, x[:])
    with pytest.raises(IndexRangeError):
        gt.compile(lambda x: x.sum(4))(x)
    assert gt.compile(lambda x: x + 1)(x).tolist() == [2.0] * 3  # what failed left the device as it was


def test_options_of_the_cpu_do_no_harm() -> None:
    x = gt.ones(4, 3, device="cuda")
    f = gt.compile(lambda x: x.sum(0), dynamic={"x": {0: "B"}})
    assert f(x).tolist() == [4.0] * 3 and f(x[:2]).tolist() == [2.0] * 3
    net = nn.Linear(3, 2, device="cuda")
    with gt.no_grad():
        frozen = gt.compile(net, freeze=True)
        np.testing.assert_allclose(frozen(x).cpu().numpy(), net(x).cpu().numpy(), rtol=1e-6)


def test_stages_show_the_code_and_what_it_takes() -> None:
    f = gt.compile(lambda x: (x.exp() @ x).sum())
    f(gt.ones(20, 20, device="cuda"))
    (texts,) = f.stages
    assert "__global__" in texts["cuda"] and "registers" in texts["cuda"] and "llvm" not in texts
    assert "kernels in" in f.explain() and f.memory().arena >= 0


def test_streams_wait_for_each_other() -> None:
    f, side = gt.compile(lambda x: x * 2), gt.cuda.Stream()
    x = gt.ones(1000, device="cuda")
    side.wait_stream(gt.cuda.current_stream())
    with gt.cuda.stream(side):
        assert gt.cuda.current_stream() == side
        for _ in range(3):
            y = f(x)
    gt.cuda.current_stream().wait_stream(side)
    assert y.sum().item() == 2000.0 and gt.cuda.current_stream() == gt.cuda.default_stream()


def test_values_that_lie_in_outputs_have_their_place_there() -> None:
    """Outputs that are made late lend their memory: several values lie in one, behind each other."""
    net = nn.Sequential(nn.Linear(37, 151), nn.ReLU(), nn.Linear(151, 149), nn.ReLU(), nn.Linear(149, 5))
    x, y = gt.randn(17, 37), gt.arange(17) % 5

    def gradients(net: Any, x: Any, y: Any) -> Any:
        out = net(x)
        nn.CrossEntropyLoss()(out, y).backward()
        return out

    there = copy.deepcopy(net).to("cuda")
    compiled = gt.compile(lambda x, y: gradients(there, x, y))
    found, want = compiled(x.cuda(), y.cuda()), gradients(net, x, y)
    plan = program(compiled).plan
    assert any(plan.place(v).offset for n in program(compiled).graph.nodes for v in n.results)
    np.testing.assert_allclose(found.detach().cpu().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-6)
    for p, q in zip(there.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6)
