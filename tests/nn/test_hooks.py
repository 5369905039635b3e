"""Hooks of modules, against torch's, eager and in programs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError

torch = pytest.importorskip("torch", reason="torch is an optional oracle")


def pair() -> tuple[Any, Any]:
    """A net of graphtorch's and torch's with the same weights."""
    torch.manual_seed(7)
    nets = [lib.nn.Sequential(lib.nn.Linear(5, 3), lib.nn.Tanh(), lib.nn.Linear(3, 2)) for lib in (gt, torch)]
    nets[0].load_state_dict({k: gt.from_numpy(v.numpy().copy()) for k, v in nets[1].state_dict().items()})
    return nets[0], nets[1]


def data(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def gradients(lib: Any, net: Any, run: Any, x: np.ndarray) -> list[np.ndarray]:
    """The output, and the gradients of the input and of the parameters."""
    given = (gt.from_numpy(x.copy()) if lib is gt else torch.from_numpy(x.copy())).requires_grad_()
    out = run(given)
    (out * out).sum().backward()
    found = [out, given.grad, *(p.grad for p in net.parameters())]
    return [t.detach().numpy() for t in found]


def close(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max())


def compare(register: Any, compiled: bool) -> None:
    """``register(lib, net)`` puts hooks on both nets: what they compute is the same."""
    ours, theirs = pair()
    register(gt, ours)
    register(torch, theirs)
    run = gt.compile(ours) if compiled else ours
    x = data(4, 5)
    for a, b in zip(gradients(gt, ours, run, x), gradients(torch, theirs, theirs, x), strict=True):
        close(a, b)


def pre(lib: Any, net: Any) -> None:
    net[0].register_forward_pre_hook(lambda m, args: args[0] * 2)
    net[0].register_forward_pre_hook(lambda m, args, kwargs: ((args[0] + 1,), kwargs), with_kwargs=True)
    net[2].register_forward_pre_hook(lambda m, args: (args[0].sin(),))
    net.register_forward_pre_hook(lambda m, args: None)


def post(lib: Any, net: Any) -> None:
    net[0].register_forward_hook(lambda m, args, out: out * m.weight.sum())
    net[1].register_forward_hook(lambda m, args, kwargs, out: out + args[0], with_kwargs=True)
    net[1].register_forward_hook(lambda m, args, out: out * 3, prepend=True)
    net.register_forward_hook(lambda m, args, out: None)


def mixed(lib: Any, net: Any) -> None:
    pre(lib, net)
    post(lib, net)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("register", [pre, post, mixed])
def test_forward_hooks(register: Any, compiled: bool) -> None:
    compare(register, compiled)


def backward(lib: Any, net: Any) -> None:
    net[0].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2 + go[0].sum(),))
    net[2].register_full_backward_pre_hook(lambda m, go: (go[0].cos(),))
    net[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * go[0].sum(),))
    net[1].register_full_backward_hook(lambda m, gi, go: None)
    net[1].register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))


def test_backward_hooks() -> None:
    compare(backward, compiled=False)


def test_backward_hooks_of_a_compiled_step() -> None:
    ours, theirs = pair()
    for lib, net in ((gt, ours), (torch, theirs)):
        backward(lib, net)

    @gt.compile
    def step(x: gt.Tensor) -> list[Any]:
        out = ours(x)
        (out * out).sum().backward()
        return [out.detach(), *(p.grad for p in ours.parameters())]

    x = data(4, 5)
    given = torch.from_numpy(x).requires_grad_()
    out = theirs(given)
    (out * out).sum().backward()
    mine = gt.from_numpy(x).requires_grad_()
    found = [*step(mine), mine.grad]
    for a, b in zip(found, [out, *(p.grad for p in theirs.parameters()), given.grad], strict=True):
        close(a.numpy(), b.detach().numpy())


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("needs", ["both", "first", "none"])
def test_backward_hooks_of_several_tensors(needs: str) -> None:
    """What they are given: an entry for each positional argument, and for each output."""
    unwanted = 2 if needs == "first" else -1  # torch gives zeros where nobody wants a gradient, and here it is None

    def change(gi: Any) -> Any:
        return gi if needs == "none" else (gi[0] * 2, *gi[1:])

    def seen(lib: Any) -> list[Any]:
        class Two(lib.nn.Module):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.w = lib.nn.Parameter(lib.ones(3))

            def forward(self, a: Any, k: int, b: Any) -> Any:
                return a * b * self.w, {"twice": a + k * b}

        net, calls = Two(), []
        net.register_full_backward_hook(lambda m, gi, go: calls.append((gi, go)) or change(gi))
        make = gt.from_numpy if lib is gt else torch.from_numpy
        a, b = make(data(2, 3)), make(data(2, 3) + 1)
        a.requires_grad_(needs != "none")
        b.requires_grad_(needs == "both")
        out, more = net(a, 4, b)
        (out.sum() + (more["twice"].sum() if needs != "none" else 0)).backward()
        ((gi, go),) = calls
        return [None if t is None else t.numpy() for t in (*gi, *go, a.grad, b.grad, net.w.grad)]

    for i, (mine, theirs) in enumerate(zip(seen(gt), seen(torch), strict=True)):
        if i == unwanted:
            assert mine is None
            continue
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_a_hook_added_or_removed_after_compiling_is_seen() -> None:
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
    run = gt.compile(net)
    x = gt.randn(4, 5)
    plain = run(x)
    handle = net[1].register_forward_hook(lambda m, args, out: out * 7)
    np.testing.assert_allclose(run(x).detach().numpy(), 7 * plain.detach().numpy(), rtol=1e-6)
    other = net[0].register_forward_pre_hook(lambda m, args: args[0] * 0)
    assert not np.allclose(run(x).detach().numpy(), 7 * plain.detach().numpy())
    other.remove()
    handle.remove()
    np.testing.assert_array_equal(run(x).detach().numpy(), plain.detach().numpy())
    with net[1].register_forward_hook(lambda m, args, out: out + 1) as held:
        assert held is not None
        np.testing.assert_allclose(run(x).detach().numpy(), plain.detach().numpy() + 1, rtol=1e-6)
    np.testing.assert_array_equal(run(x).detach().numpy(), plain.detach().numpy())


def test_what_a_hook_reads_is_guarded() -> None:
    net, factor = nn.Linear(5, 3), [2.0]
    net.register_forward_hook(lambda m, args, out: out * factor[0])
    run, x = gt.compile(net), gt.randn(4, 5)
    first = run(x).detach().numpy()
    factor[0] = 6.0
    np.testing.assert_allclose(run(x).detach().numpy(), 3 * first, rtol=1e-6)


def test_a_hook_that_stores_is_refused_by_name() -> None:
    kept: dict[str, Any] = {}

    def keep_activation(module: nn.Module, args: Any, out: gt.Tensor) -> None:
        kept["fc"] = out.detach()

    net = nn.Sequential(nn.Linear(5, 3))
    net[0].register_forward_hook(keep_activation)
    net(gt.ones(4, 5))
    assert kept["fc"].shape == (4, 3)
    kept.clear()
    with pytest.raises(GraphTorchError, match="keep_activation of Linear"):
        gt.compile(net)(gt.ones(4, 5))
    assert not kept


def test_a_hook_that_asks_for_numbers_is_refused_by_name() -> None:
    def check_finite(module: nn.Module, args: Any, out: gt.Tensor) -> None:
        if not bool(out.isfinite().all()):
            raise ValueError("not finite")

    net = nn.Sequential(nn.Linear(5, 3))
    net[0].register_forward_hook(check_finite)
    net(gt.ones(4, 5))
    with pytest.raises(GraphTorchError, match="in the forward hook check_finite of Linear"):
        gt.compile(net)(gt.ones(4, 5))


def test_several_gradients_in_a_program_are_refused_by_name() -> None:
    def look(module: nn.Module, grad_input: Any, grad_output: Any) -> None: ...

    net = nn.Bilinear(3, 4, 2)
    net.register_full_backward_hook(look)
    with pytest.raises(GraphTorchError, match=r"GT602.*backward hook look of Bilinear cannot be traced: 2 tensors"):
        gt.compile(net)(gt.randn(5, 3, requires_grad=True), gt.randn(5, 4, requires_grad=True))


def test_a_backward_hook_that_a_program_cannot_call_is_refused_by_name() -> None:
    def look(module: nn.Module, grad_input: Any, grad_output: Any) -> None: ...

    net = nn.Linear(5, 3)
    net.register_full_backward_hook(look)
    with pytest.raises(GraphTorchError, match=r"GT602.*computed after the call(?s:.*)backward hook look of Linear"):
        gt.compile(net)(gt.randn(4, 5))


@pytest.mark.parametrize("lib", [gt, torch])
def test_always_call(lib: Any) -> None:
    class Fails(lib.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    net, calls = Fails(), []
    net.register_forward_hook(lambda m, args, out: calls.append(("plain", out)))
    net.register_forward_hook(lambda m, args, out: calls.append(("always", out)), always_call=True)

    def raises(m: Any, args: Any, out: Any) -> None:
        raise RuntimeError("too")

    net.register_forward_hook(raises, always_call=True)
    with pytest.warns(UserWarning, match="raised|error"), pytest.raises(ValueError, match="no"):
        net(lib.ones(1))
    assert calls == [("always", None)]


@pytest.mark.parametrize("lib", [gt, torch])
def test_state_hooks(lib: Any) -> None:
    net, calls = lib.nn.Sequential(lib.nn.Linear(5, 3), lib.nn.Tanh()), []

    def double(m: Any, state: Any, prefix: str, _metadata: Any) -> None:
        state[prefix + "extra"] = state[prefix + "weight"] * 2

    def take_out(m: Any, state: Any, prefix: str, *_: Any) -> None:
        calls.append(prefix)
        del state[prefix + "extra"]

    net[0].register_state_dict_pre_hook(lambda m, prefix, keep_vars: calls.append((prefix, keep_vars)))
    net[0].register_state_dict_post_hook(double)
    net[0].register_load_state_dict_pre_hook(take_out)
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.bias", "0.extra"] and calls == [("0.", False)]
    other = copy.deepcopy(net)
    other.load_state_dict(state)
    assert calls == [("0.", False), "0."] and "0.extra" in state
    assert (other[0].weight == net[0].weight).all()
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    del state["0.bias"]
    assert "matched" in repr(net.load_state_dict(state))
    with pytest.raises(RuntimeError, match=r"0\.bias"):
        other.load_state_dict(state)


def test_hooks_survive_copies_and_are_checked() -> None:
    net = nn.Linear(5, 3)
    net.register_forward_hook(lambda m, args, out: out * 0)
    assert float(copy.deepcopy(net)(gt.ones(5)).abs().sum()) == 0
    with pytest.raises(TypeError, match="GT301: hook must be a function, got int"):
        net.register_forward_pre_hook(3)  # type: ignore[arg-type]
    net.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(TypeError, match="expected None or a pair of new arguments"):
        net(gt.ones(5))


def everywhere(lib: Any, net: Any) -> list[Any]:
    tools = lib.nn.modules.module
    net[1].register_forward_hook(lambda m, args, out: out + 1)
    return [
        tools.register_module_forward_pre_hook(lambda m, args: args[0] * 1.5),
        tools.register_module_forward_hook(lambda m, args, kwargs, out: out * 2, with_kwargs=True),
        tools.register_module_full_backward_pre_hook(lambda m, go: (go[0] * 3,)),
        tools.register_module_full_backward_hook(lambda m, gi, go: (gi[0] + go[0].sum(),)),
    ]


def test_hooks_of_all_modules() -> None:
    ours, theirs = pair()
    x, found = data(4, 5), []
    for lib, net in ((gt, ours), (torch, theirs)):
        handles = everywhere(lib, net)
        try:
            found.append(gradients(lib, net, net, x))
        finally:
            for handle in handles:
                handle.remove()
    for a, b in zip(*found, strict=True):
        close(a, b)


def test_hooks_of_all_modules_are_guarded() -> None:
    net = nn.Linear(5, 3)
    run, x = gt.compile(net), gt.randn(4, 5)
    before = run(x).detach().numpy()
    with nn.modules.module.register_module_forward_hook(lambda m, args, out: out * 2):
        np.testing.assert_allclose(run(x).detach().numpy(), 2 * before, rtol=1e-6)
    np.testing.assert_array_equal(run(x).detach().numpy(), before)


def test_a_failure_does_not_run_hooks_once_more() -> None:
    calls = []
    net = nn.Sequential(nn.Linear(5, 3))
    net[0].register_forward_pre_hook(lambda m, args: calls.append(1))
    with pytest.raises(GraphTorchError, match="GT109"):
        net(gt.ones(4, 6))
    assert calls == [1]


def test_registering_in_a_program() -> None:
    net = nn.Linear(5, 3)

    def outside(x: gt.Tensor) -> gt.Tensor:
        net.register_forward_hook(lambda m, args, out: out * 2)
        return net(x)

    def inside(x: gt.Tensor) -> gt.Tensor:
        made = nn.Softmax(dim=0)
        made.register_forward_hook(lambda m, args, out: out * 2)
        return made(x)

    with pytest.raises(GraphTorchError, match=r"GT602.*registered in a compiled function(?s:.*)register it before"):
        gt.compile(outside)(gt.ones(5))
    assert not net._hooks
    np.testing.assert_allclose(gt.compile(inside)(gt.ones(4)).numpy(), [0.5] * 4, rtol=1e-6)
