"""The default dtype: what it decides, that programs are made for it, and that nothing else depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import ArgumentTypeError, DeviceError, DTypeError, TraceError
from graphtorch.ir.graph import Builder, Graph, Param
from graphtorch.ir.op import OPS
from graphtorch.ir.ops.gradient import gradient
from graphtorch.ir.passes.autodiff import Autodiff
from tests.ops.samples import SAMPLES

FLOATS = [gt.float64, gt.float32, gt.float16, gt.bfloat16]
INTEGERS = [gt.int64, gt.int32, gt.int16, gt.int8, gt.uint8, gt.bool]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gt.set_default_dtype(gt.float32)


#: what is made without a dtype
MADE: dict[str, Callable[[Any], Any]] = {
    "tensor of a float": lambda m: m.tensor(0.5),
    "tensor of floats and ints": lambda m: m.tensor([[1, 2.5, True]]),
    "tensor of nothing": lambda m: m.tensor([]),
    "tensor of ints": lambda m: m.tensor([1, 2]),
    "tensor of bools": lambda m: m.tensor([True]),
    "tensor of tensors and floats": lambda m: m.tensor([m.tensor(2, dtype=m.int16), 0.5]),
    "tensor of an array": lambda m: m.tensor(np.ones(3, np.float32)),
    "as_tensor": lambda m: m.as_tensor([0.25]),
    "new_tensor": lambda m: m.ones(2, dtype=m.int16).new_tensor([1.0]),
    "Tensor": lambda m: m.Tensor([1, 2]),
    "zeros": lambda m: m.zeros(2, 3),
    "ones": lambda m: m.ones(2, 3),
    "empty": lambda m: m.empty(2, 3),
    "full": lambda m: m.full((2,), 0.5),
    "full of ints": lambda m: m.full((2,), 5),
    "full of bools": lambda m: m.full((2,), True),
    "arange": lambda m: m.arange(0.5, 3),
    "arange of ints": lambda m: m.arange(3),
    "linspace": lambda m: m.linspace(0, 1, 5),
    "logspace": lambda m: m.logspace(0, 1, 5),
    "eye": lambda m: m.eye(3),
    "scalar_tensor": lambda m: m.scalar_tensor(2),
    "rand": lambda m: m.rand(3),
    "randn": lambda m: m.randn(3),
    "randint": lambda m: m.randint(5, (3,)),
    "randperm": lambda m: m.randperm(3),
    "normal": lambda m: m.normal(0.0, 1.0, (3,)),
    "zeros_like": lambda m: m.zeros_like(m.ones(2, dtype=m.float32)),
    "where of numbers": lambda m: m.where(m.tensor([True, False]), 0.5, 1),
    "finfo": lambda m: m.finfo(),
    "Linear": lambda m: m.nn.Linear(3, 2).weight,
    "Conv2d": lambda m: m.nn.Conv2d(3, 2, 1).bias,
    "Embedding": lambda m: m.nn.Embedding(3, 2).weight,
    "BatchNorm1d": lambda m: m.nn.BatchNorm1d(3).running_mean,
    "LayerNorm": lambda m: m.nn.LayerNorm(3).weight,
    "MultiheadAttention": lambda m: m.nn.MultiheadAttention(4, 2).in_proj_weight,
    "Parameter": lambda m: m.nn.Parameter(),
    "Module.float": lambda m: m.nn.Linear(3, 2).float().weight,
    "Module.to": lambda m: m.nn.Linear(3, 2, dtype=m.float32).weight,
}
#: what is computed of integers
COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "times a float": lambda m, x: x * 0.5,
    "plus a float": lambda m, x: 2.5 + x,
    "times an int": lambda m, x: x * 2,
    "where": lambda m, x: m.where(x > 2, x, 0.5),
    "division": lambda m, x: x / x,
    "sin": lambda m, x: x.sin(),
    "sqrt": lambda m, x: m.sqrt(x),
    "sigmoid": lambda m, x: x.sigmoid(),
    "atan2": lambda m, x: m.atan2(x, x),
    "logit": lambda m, x: m.logit(x),
    "xlogy": lambda m, x: m.xlogy(x, x),
    "deg2rad": lambda m, x: m.deg2rad(x),
    "logsumexp": lambda m, x: m.logsumexp(x, 0),
    "copysign": lambda m, x: m.copysign(x, -1.0),
    "isclose": lambda m, x: m.isclose(x, x),
    "beside a 0-d float": lambda m, x: x * m.tensor(0.5),
    "beside a float32 tensor": lambda m, x: x + m.ones(3, dtype=m.float32),
    "power": lambda m, x: x**0.5,
    "floor_divide": lambda m, x: x // 2.0,
}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("default", FLOATS, ids=lambda d: d.name)
@pytest.mark.parametrize("name", MADE)
def test_dtypes_of_what_is_made_are_those_of_torch(name: str, default: gt.dtype) -> None:
    torch = pytest.importorskip("torch")
    gt.set_default_dtype(default)
    ours = MADE[name](gt)
    torch.set_default_dtype(getattr(torch, default.name))
    try:
        theirs = MADE[name](torch)
    finally:
        torch.set_default_dtype(torch.float32)
    assert str(ours.dtype if name == "finfo" else ours.dtype.name) == str(theirs.dtype).removeprefix("torch.")


@pytest.mark.torch
@pytest.mark.parametrize("default", FLOATS, ids=lambda d: d.name)
@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed_of_integers_is_that_of_torch(name: str, default: gt.dtype) -> None:
    torch = pytest.importorskip("torch")
    for dtype in INTEGERS:
        compiled = default in (gt.float64, gt.bfloat16)
        data = np.array([1, 0, 5]).astype(dtype.np)
        gt.set_default_dtype(default)
        torch.set_default_dtype(getattr(torch, default.name))
        try:
            theirs = COMPUTED[name](torch, torch.from_numpy(data))
        except RuntimeError:
            continue  # what it does not take; ours has tests of its own
        finally:
            torch.set_default_dtype(torch.float32)
        for wrap in (lambda f: f, *([gt.compile] if compiled and dtype is gt.int16 else [])):
            ours = wrap(lambda x: COMPUTED[name](gt, x))(gt.from_numpy(data))
            assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
            exact = ours.dtype.kind != "f"
            tolerance = 0 if exact else {8: 1e-12, 4: 1e-5, 2: 2e-2}[ours.dtype.itemsize]
            np.testing.assert_allclose(
                ours.to(gt.float64).numpy(), theirs.to(torch.float64).numpy(), rtol=tolerance, atol=tolerance
            )


def test_numbers_are_those_of_the_default_dtype() -> None:
    gt.set_default_dtype(gt.float64)
    assert gt.tensor(0.1).item() == 0.1
    assert (gt.tensor([1]) * 0.1).item() == 0.1
    assert (gt.tensor([1]) / 3).item() == 1 / 3
    assert len(set(gt.rand(1000).mul(2**32).remainder(256).tolist())) > 200  # more than the 24 bits of float32
    gt.set_default_dtype(gt.float32)
    assert gt.tensor(0.1).item() == np.float32(0.1)


@pytest.mark.parametrize("default", FLOATS, ids=lambda d: d.name)
def test_what_has_a_dtype_keeps_it(default: gt.dtype) -> None:
    gt.set_default_dtype(default)
    x = gt.ones(3, dtype=gt.float32, requires_grad=True)
    y = (x * 0.5 + 1.0).sigmoid().mean() / 3
    y.backward()
    assert y.dtype is x.grad.dtype is gt.float32
    assert x.detach().float().dtype is x.dtype is gt.float32


def test_printing_names_what_is_not_the_default() -> None:
    x = gt.tensor([0.5])
    assert repr(x) == "tensor([0.5000])"
    gt.set_default_dtype(gt.float64)
    assert repr(x) == "tensor([0.5000], dtype=graphtorch.float32)"
    assert repr(gt.tensor([0.5])) == "tensor([0.5000])"


def test_a_program_is_made_for_a_default_dtype() -> None:
    @gt.compile
    def f(n: Any) -> Any:
        return n / 4 + gt.ones(3) * 0.1

    n = gt.tensor([1, 2, 3])
    wanted = {}
    for default in (gt.float32, gt.float64, gt.float16):
        gt.set_default_dtype(default)
        wanted[default] = n / 4 + gt.ones(3) * 0.1
    for default in (gt.float32, gt.float64, gt.float64, gt.float32, gt.float16, gt.float64):
        gt.set_default_dtype(default)
        found = f(n)
        assert found.dtype is default
        assert found.tolist() == wanted[default].tolist()
    assert len(f.graphs) == 3
    assert "the default dtype is graphtorch.float64, was graphtorch.float32" in str(f.explain())


def test_backward_of_a_compiled_module_does_not_depend_on_the_default() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh())
    x = gt.rand(5, 3, requires_grad=True)
    out = gt.compile(net)(x)
    gt.set_default_dtype(gt.float64)
    out.sum().backward()
    assert x.grad is not None and x.grad.dtype is gt.float32


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if not op.nondifferentiable and n in SAMPLES])
def test_gradients_do_not_depend_on_the_default(name: str) -> None:
    """What the cache on disk has of a traced graph is good whatever the default is."""
    op = OPS[name]
    for sample in list(SAMPLES[name]())[:3]:
        texts = set()
        for default in FLOATS:
            gt.set_default_dtype(default)
            graph = Graph("g")
            params = [Param(f"p{i}", gt.from_numpy(np.asarray(o)).aval) for i, o in enumerate(sample.operands)]
            graph.params = list(params)
            with Builder(graph) as builder:
                results = builder.bind(op, tuple(params), sample.attrs)
                losses = [r for r in results if r.type.dtype.is_floating_point]
                targets = [p for p in params if p.type.dtype.is_floating_point]
                seeds = [Param(f"s{i}", r.type) for i, r in enumerate(losses)]
                graph.params += seeds
                if losses and targets:
                    graph.outputs = list(builder.bind(gradient, (*losses, *seeds, *targets), {"losses": len(losses)}))
            texts.add(str(Autodiff().run(graph)))
        assert len(texts) == 1


def test_a_function_that_leaves_another_default_is_refused() -> None:
    def f(x: Any) -> Any:
        gt.set_default_dtype(gt.float64)
        return x * gt.ones(3)

    with pytest.raises(TraceError, match=r"GT605[\s\S]*gt\.set_default_dtype\(gt\.float64\)\n.*the default dtype"):
        gt.compile(f)(gt.ones(3))
    assert gt.get_default_dtype() is gt.float32


def test_a_function_may_change_it_for_as_long_as_it_runs() -> None:
    def f(n: Any) -> Any:
        before = gt.get_default_dtype()
        gt.set_default_dtype(gt.float64)
        try:
            return n / 3
        finally:
            gt.set_default_dtype(before)

    n = gt.tensor([1, 2])
    found = gt.compile(f)(n)
    assert found.dtype is gt.float64
    assert found.tolist() == f(n).tolist()


def test_a_failed_trace_leaves_the_default_as_it_was() -> None:
    def f(x: Any) -> Any:
        gt.set_default_dtype(gt.float64)
        return float(x)

    with pytest.raises(TraceError, match="GT601"):
        gt.compile(f)(gt.ones(1))
    assert gt.get_default_dtype() is gt.float32


@pytest.mark.parametrize("default", [gt.float64, gt.bfloat16], ids=lambda d: d.name)
def test_a_training_step(default: gt.dtype) -> None:
    gt.set_default_dtype(default)
    gt.manual_seed(0)
    nets = [nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    x, losses = gt.rand(7, 3), []
    for net, wrap in zip(nets, (lambda f: f, gt.compile), strict=True):
        optimizer = optim.Adam(net.parameters(), lr=0.1)

        def step(x: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (net(x) - 1).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        losses.append([step(x).item() for _ in range(4)])
        counted = optimizer.state[next(iter(net.parameters()))]["step"]
        assert counted.dtype is (gt.float64 if default is gt.float64 else gt.float32)
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12 if default is gt.float64 else 0.05)


def test_refusals() -> None:
    with pytest.raises(ArgumentTypeError, match="GT301: d must be a dtype, got str 'float32'"):
        gt.set_default_dtype("float32")
    with pytest.raises(
        DTypeError, match=r"GT202: graphtorch.int64 cannot be the default dtype[\s\S]*expected .*float32"
    ):
        gt.set_default_dtype(gt.int64)
    with pytest.raises(DTypeError, match="GT202"):
        gt.set_default_tensor_type(gt.LongTensor)
    assert gt.get_default_dtype() is gt.float32


def test_set_default_tensor_type() -> None:
    gt.set_default_tensor_type(gt.DoubleTensor)
    assert gt.get_default_dtype() is gt.float64
    gt.set_default_tensor_type("torch.HalfTensor")
    assert gt.get_default_dtype() is gt.float16


def test_the_default_device_is_the_cpu() -> None:
    assert gt.get_default_device() == gt.device("cpu")
    gt.set_default_device("cpu")
    gt.set_default_device(gt.device("cpu"))
    gt.set_default_device(None)
    with pytest.raises(DeviceError, match="GT402"):
        gt.set_default_device("cuda")
