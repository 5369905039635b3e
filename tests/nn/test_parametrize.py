"""Parametrizations against torch: state, values, gradients and training, eager and as one program."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn.utils import parametrize
from tests.sampling import sampled

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::FutureWarning")]

#: how a layer is parametrized, as text for both libraries, and the shape of an input
CASES = [
    ("utils.parametrizations.weight_norm(nn.Linear(5, 3))", (4, 5)),
    ("utils.parametrizations.weight_norm(nn.Conv2d(2, 3, (3, 2)), dim=None)", (4, 2, 5, 7)),
    ("utils.parametrizations.weight_norm(nn.ConvTranspose1d(2, 3, 4), dim=1)", (4, 2, 5)),
    ("utils.parametrizations.weight_norm(nn.GRU(5, 3), 'weight_hh_l0')", (4, 2, 5)),
    ("utils.parametrizations.spectral_norm(nn.Linear(5, 3))", (4, 5)),
    ("utils.parametrizations.spectral_norm(nn.Conv2d(2, 3, (3, 2)), n_power_iterations=3)", (4, 2, 5, 7)),
    ("utils.parametrizations.spectral_norm(nn.ConvTranspose1d(2, 3, 4))", (4, 2, 5)),
    ("utils.parametrizations.orthogonal(nn.Linear(5, 5))", (4, 5)),
    ("utils.parametrizations.orthogonal(nn.Linear(5, 3))", (4, 5)),
    ("utils.parametrizations.orthogonal(nn.Linear(3, 5), orthogonal_map='matrix_exp')", (4, 3)),
    ("utils.parametrizations.orthogonal(nn.Linear(3, 5), use_trivialization=False)", (4, 3)),
    ("utils.weight_norm(nn.Linear(5, 3))", (4, 5)),
    ("utils.weight_norm(nn.Conv1d(2, 3, 4), dim=None)", (4, 2, 6)),
    ("utils.spectral_norm(nn.Linear(5, 3))", (4, 5)),
    ("utils.spectral_norm(nn.ConvTranspose2d(2, 3, 4), n_power_iterations=2)", (4, 2, 5, 3)),
]
IDS = [text for text, _ in CASES]


def build(lib: Any, text: str) -> Any:
    return eval(text, {"nn": lib.nn, "utils": lib.nn.utils})


def pair(text: str) -> tuple[Any, Any]:
    torch.manual_seed(5)
    ours, theirs = build(gt, text), build(torch, text)
    ours.load_state_dict({k: gt.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def data(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def result(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def train(lib: Any, net: Any, x: Any, compiled: bool, steps: int = 4) -> list[float]:
    optimizer = lib.optim.SGD(net.parameters(), lr=0.05)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        out = result(net(x))
        loss = ((out - 1) ** 2).mean() + out.abs().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = gt.compile(step) if compiled else step
    return [float(run(x)) for _ in range(steps)]


@pytest.mark.parametrize("text", IDS)
def test_repr_and_state(text: str) -> None:
    ours, theirs = pair(text)
    assert repr(ours) == repr(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in mine.items()})


RUNS = [(text, shape, compiled) for compiled in (False, True) for text, shape in CASES]


@pytest.mark.parametrize(
    ("text", "shape", "compiled"), sampled(RUNS, 50, lambda run: run[0].partition("(nn.")[0] if run[2] else run)
)
def test_training(text: str, shape: tuple[int, ...], compiled: bool) -> None:
    ours, theirs = pair(text)
    x = data(shape)
    mine, other = train(gt, ours, gt.from_numpy(x), compiled), train(torch, theirs, torch.from_numpy(x), False)
    np.testing.assert_allclose(mine, other, rtol=2e-5)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-4, atol=2e-5, err_msg=name)
    ours.eval(), theirs.eval()
    a, b = (result(net(make(x))).detach().numpy() for net, make in ((ours, gt.from_numpy), (theirs, torch.from_numpy)))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", [text for text in IDS if "orthogonal" in text])
def test_orthogonal_from_the_start_and_after_training(text: str) -> None:
    net = build(gt, text)
    for steps in (0, 5):
        train(gt, net, gt.from_numpy(data((4, net.in_features))), False, steps)
        w = net.weight.detach().numpy()
        w = w if w.shape[0] >= w.shape[1] else w.T
        np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=2e-6)


def test_a_large_argument_of_matrix_exp() -> None:
    from graphtorch.frontend.nn.orthogonal import matrix_exp

    a = np.random.default_rng(0).standard_normal((17, 17)) * 3
    a = a - a.T
    np.testing.assert_allclose(matrix_exp(gt.from_numpy(a)).numpy(), torch.matrix_exp(torch.from_numpy(a)), atol=1e-10)


@pytest.mark.parametrize("lib", [gt, torch])
def test_own_parametrizations(lib: Any) -> None:
    class Symmetric(lib.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, X: Any) -> Any:
            return X.triu() + X.triu(1).t()

        def right_inverse(self, A: Any) -> Any:
            return A.triu()

    class Doubled(lib.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, X: Any) -> Any:
            return 2 * X

    tool, net = lib.nn.utils.parametrize, lib.nn.Linear(3, 3)
    assert not tool.is_parametrized(net) and tool.register_parametrization(net, "weight", Symmetric()) is net
    assert tool.is_parametrized(net) and tool.is_parametrized(net, "weight") and not tool.is_parametrized(net, "bias")
    assert type(net).__name__ == "ParametrizedLinear" and isinstance(net, lib.nn.Linear)
    assert tool.type_before_parametrizations(net) is lib.nn.Linear
    assert (net.weight == net.weight.t()).all()
    net.weight = lib.ones(3, 3)
    np.testing.assert_array_equal(net.weight.detach().numpy(), np.ones((3, 3)))
    tool.register_parametrization(net, "weight", Doubled())
    tool.register_parametrization(net, "bias", Doubled())
    np.testing.assert_array_equal(net.weight.detach().numpy(), 2 * np.ones((3, 3)))
    other = copy.deepcopy(net)
    tool.remove_parametrizations(net, "weight")
    assert tool.is_parametrized(net, "bias") and isinstance(net.weight, lib.nn.Parameter)
    np.testing.assert_array_equal(net.weight.detach().numpy(), 2 * np.ones((3, 3)))
    tool.remove_parametrizations(net, "bias", leave_parametrized=False)
    assert type(net) is lib.nn.Linear and sorted(n for n, _ in net.named_parameters()) == ["bias", "weight"]
    if lib is gt:  # a copy of torch's shares its class, and loses the property
        assert parametrize.is_parametrized(other, "weight") and other.weight.shape == (3, 3)


def test_a_compiled_step_sees_a_parametrization() -> None:
    class Zero(nn.Module):
        def forward(self, x: gt.Tensor) -> gt.Tensor:
            return x * 0

    net = nn.Linear(3, 2, bias=False)
    run, x = gt.compile(net), gt.ones(4, 3)
    before = run(x).detach().numpy()
    parametrize.register_parametrization(net, "weight", Zero())
    assert float(run(x).abs().sum()) == 0
    parametrize.remove_parametrizations(net, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(run(x).detach().numpy(), before)


def test_cached_computes_once() -> None:
    calls = []

    class Counted(nn.Module):
        def forward(self, x: gt.Tensor) -> gt.Tensor:
            calls.append(1)
            return x * 2

    net = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Counted())
    calls.clear()
    with parametrize.cached():
        assert net.weight is net.weight
        with parametrize.cached():
            net(net(gt.ones(3)))
    assert len(calls) == 1
    assert net.weight is not net.weight and len(calls) == 3


def test_cached_within_a_program() -> None:
    net = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))

    def twice(x: gt.Tensor) -> gt.Tensor:
        with parametrize.cached():
            return net(net(x))

    x = gt.randn(4, 3)
    np.testing.assert_allclose(gt.compile(twice)(x).detach().numpy(), twice(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    with parametrize.cached():
        net(x)  # what eager mode has is not the program's, nor the other way round
        np.testing.assert_allclose(gt.compile(net)(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_older_weight_norm_is_loaded_and_undone() -> None:
    old = nn.utils.weight_norm(nn.Linear(5, 3))
    new = nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))
    new.load_state_dict(old.state_dict())
    np.testing.assert_allclose(new.weight.detach().numpy(), old.weight.detach().numpy(), rtol=1e-6)
    kept = old.weight.detach().numpy()
    for remove, net in ((nn.utils.remove_weight_norm, old), (nn.utils.remove_spectral_norm, None)):
        if net is None:
            net = nn.utils.spectral_norm(nn.Linear(5, 3)).eval()
            net(gt.ones(5))
            kept = net.weight.detach().numpy()
        remove(net)
        assert sorted(net.state_dict()) == ["bias", "weight"] and isinstance(net.weight, nn.Parameter)
        np.testing.assert_allclose(net.weight.detach().numpy(), kept, rtol=1e-6)
        assert not net._hooks
        with pytest.raises(ValueError, match=r"GT304: Linear\.weight has no (weight|spectral)_norm"):
            remove(net)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: parametrize.register_parametrization(nn.Linear(3, 2), "wait", nn.Identity()), "no parameter or buffer"),
        (lambda: parametrize.register_parametrization(nn.Linear(3, 2), "weight", 3), "GT301: parametrization must be"),
        (lambda: parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.Flatten(0)), "expected f32.2,3., got"),
        (lambda: parametrize.remove_parametrizations(nn.Linear(3, 2), "weight"), "Linear.weight is not parametrized"),
        (lambda: nn.utils.weight_norm(nn.utils.weight_norm(nn.Linear(3, 2))), "no parameter|already"),
        (lambda: nn.utils.parametrizations.orthogonal(nn.Linear(3, 2), orthogonal_map="cayley"), "orthogonal_map"),
        (lambda: nn.utils.parametrizations.orthogonal(nn.Conv1d(3, 2, 2)), "GT107.*must be a matrix"),
        (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2), "bias2"), "no parameter 'bias2'"),
        (lambda: nn.utils.vector_to_parameters([1.0], nn.Linear(3, 2).parameters()), "GT301.*vec must be a tensor, got list"),
        (lambda: nn.utils.vector_to_parameters(gt.ones(7), nn.Linear(3, 2).parameters()), r"GT103.*(?s:.*)\[8\], got \[7\]"),
    ],
)  # fmt: skip
def test_refused(make: Any, text: str) -> None:
    with pytest.raises(gt.errors.GraphTorchError, match=text):
        make()


def test_vectors() -> None:
    net = nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    theirs = torch.nn.utils.parameters_to_vector([torch.from_numpy(p.detach().numpy()) for p in net.parameters()])
    np.testing.assert_array_equal(vector.detach().numpy(), theirs.numpy())
    vector.sum().backward()
    assert float(net.weight.grad.sum()) == 6
    run, x = gt.compile(net), gt.ones(3)
    run(x)
    nn.utils.vector_to_parameters(gt.arange(8).float(), net.parameters())
    np.testing.assert_array_equal(run(x).detach().numpy(), [3 + 6, 12 + 7])
    assert list(net.state_dict()) == ["weight", "bias"] and net.weight.requires_grad
