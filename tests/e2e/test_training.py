"""Twenty training steps: compiled against eager, and both against torch."""

from __future__ import annotations

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.codegen.kernel_text import parse_kernel, print_kernel, same_kernel
from graphtorch.ir.text import parse_graph, print_graph
from graphtorch.runtime.executable import Executable
from tests.e2e.nets import NETS, OPTIMIZERS, Net, train

CASES = [pytest.param(n, o, id=f"{n.name}-{o}") for n in NETS for o in OPTIMIZERS]
STEPS = 20


def assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float = 1e-4) -> None:
    """Every tensor within ``rtol`` of the expected one, in the Euclidean norm (plus 1e-6 for each element).

    Not element by element: Adam's first steps are lr * sign(gradient), so an element whose gradient is
    rounding noise moves by a full step in either direction.
    """
    assert actual.keys() == expected.keys()
    for name, want in expected.items():
        error = np.linalg.norm((actual[name] - want).astype(np.float64).ravel())
        scale = np.linalg.norm(want.astype(np.float64).ravel())
        assert error <= rtol * scale + 1e-6 * want.size**0.5, f"{name}: {error / scale:.2e}"


@pytest.mark.parametrize(("net", "optimizer"), CASES)
def test_compiled_training_equals_eager(net: Net, optimizer: str) -> None:
    eager_losses, eager, _ = train(gt, net, optimizer, STEPS, lambda f: f, None)
    losses, compiled, _ = train(gt, net, optimizer, STEPS, gt.compile, None)
    np.testing.assert_allclose(losses, eager_losses, rtol=1e-4)
    assert_same(compiled, eager)


@pytest.mark.torch
@pytest.mark.parametrize(("net", "optimizer"), [c for c in CASES if not c.values[0].random])
def test_compiled_training_equals_torch(net: Net, optimizer: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    theirs_losses, theirs, first = train(torch, net, optimizer, STEPS, lambda f: f, None)
    losses, ours, _ = train(gt, net, optimizer, STEPS, gt.compile, first)
    np.testing.assert_allclose(losses, theirs_losses, rtol=1e-4)
    assert_same(ours, theirs)


@pytest.mark.torch
def test_a_net_without_randomness_of_its_own_equals_torch_in_eval() -> None:
    torch = pytest.importorskip("torch", reason="torch is an optional oracle")
    net = NETS[3]
    theirs, ours = net.model(torch.nn), net.model(gt.nn)
    ours.load_state_dict({k: gt.tensor(v.detach().numpy()) for k, v in theirs.state_dict().items()})
    x, _ = net.data(0)
    want = theirs.eval()(torch.from_numpy(x)).detach().numpy()
    got = gt.compile(ours.eval())(gt.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.name)
def test_one_step_is_one_call_into_native_code(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    launch = Executable._launch
    monkeypatch.setattr(Executable, "_launch", lambda self, n: (calls.append(self), launch(self, n))[1])
    train(gt, net, "sgd", 3, gt.compile, None)
    assert len(calls) == 3
    assert len(set(map(id, calls))) == 1


@pytest.mark.parametrize(("net", "optimizer"), CASES)
def test_every_stage_round_trips(net: Net, optimizer: str) -> None:
    made = []
    train(gt, net, optimizer, 1, lambda f: made.append(gt.compile(f)) or made[0], None)
    program = made[0]._order[0]
    names = [name for name, _ in program.stats.stages]
    assert names == ["trace", "autodiff", "canonicalize", "cse", "dce", "fuse", "alias"]
    for name, graph in program.stats.stages:
        assert parse_graph(print_graph(graph)) == graph, name
    for launch in program.forward.launches:
        again = parse_kernel(print_kernel(launch.kernel))
        assert same_kernel(again, launch.kernel), launch.kernel.name
        assert print_kernel(again) == print_kernel(launch.kernel)


@pytest.mark.parametrize("net", NETS, ids=lambda n: n.name)
def test_results_do_not_depend_on_the_number_of_threads(net: Net) -> None:
    before = gt.get_num_threads()
    try:
        states = []
        for threads in (1, 2, 3):
            gt.set_num_threads(threads)
            states.append(train(gt, net, "sgd", 3, gt.compile, None)[1])
    finally:
        gt.set_num_threads(before)
    for other in states[1:]:
        for name, want in states[0].items():
            np.testing.assert_array_equal(other[name], want, err_msg=name)
