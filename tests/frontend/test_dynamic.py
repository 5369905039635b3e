"""gt.compile(dynamic=...): one program for every size, right for each, and others where a size changes what is done."""

from __future__ import annotations

import copy
import functools
import pickle
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, IndexRangeError, ShapeError
from graphtorch.frontend import attempts
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.text import parse_graph, print_graph
from graphtorch.nn import functional as F

SIZES = (64, 2, 3, 7, 16, 17, 64, 33, 130)
X = {"x": {0: "B"}}
XY = {"x": {0: "B"}, "y": {0: "B"}}
rng = np.random.default_rng(5)


def normal(*shape: int) -> gt.Tensor:
    return gt.from_numpy(rng.standard_normal(shape).astype(np.float32))


def classes(count: int, *shape: int) -> gt.Tensor:
    return gt.from_numpy(rng.integers(0, count, shape))


def flat(result: Any) -> list[Any]:
    if isinstance(result, dict):
        result = list(result.values())
    return [r for item in result for r in flat(item)] if isinstance(result, list | tuple) else [result]


def assert_alike(found: Any, expected: Any, tol: float = 1e-5) -> None:
    found, expected = flat(found), flat(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if not isinstance(b, gt.Tensor):
            assert a == b and type(a) is type(b)
            continue
        assert a.shape == b.shape and a.dtype == b.dtype
        assert not any(map(is_dynamic, a.shape)), "a result has the sizes of its call"
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), tol, tol)


def assert_as_eager(f: Callable[..., Any], dynamic: Any, calls: Sequence[Any], programs: int = 1) -> Any:
    """Compiled ``f`` gives what ``f`` gives, with so many programs."""
    compiled = gt.compile(f, dynamic=dynamic)
    for args in calls:
        assert_alike(compiled(*args), f(*args))
    assert len(compiled.graphs) == programs, compiled.explain()
    return compiled


# ---- whole training steps -------------------------------------------------------------------------


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))


def mlp_with_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30), nn.Tanh(), nn.Linear(30, 5))


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5),
    )  # fmt: skip


def step_of(make: Callable[[], nn.Module], optimizer: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """A training step, and the state that it changes."""
    gt.manual_seed(0)
    model = make()
    opt = optimizer(model.parameters())

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return step, [*model.parameters(), *model.buffers()]


@pytest.mark.parametrize(
    ("make", "shape", "optimizer"),
    [
        (mlp, (20,), functools.partial(gt.optim.SGD, lr=0.05, momentum=0.9)),
        (mlp, (20,), functools.partial(gt.optim.Adam, lr=1e-4)),
        (mlp_with_norm, (20,), functools.partial(gt.optim.SGD, lr=0.05)),
        (conv_net, (3, 12, 12), functools.partial(gt.optim.SGD, lr=0.05)),
    ],
    ids=["mlp-sgd", "mlp-adam", "mlp-norm", "conv"],
)
def test_one_program_trains_with_every_batch(make: Any, shape: Any, optimizer: Any) -> None:
    (f, state), (g, expected) = step_of(make, optimizer), step_of(make, optimizer)
    compiled = gt.compile(f, dynamic=XY)
    for n in SIZES:
        x, y = normal(n, *shape), classes(5, n)
        assert_alike([compiled(x, y), *state], [g(x, y), *expected], 2e-4)
    assert len(compiled.graphs) == 1, compiled.explain()


def test_sizes_0_and_1_have_programs_of_their_own() -> None:
    compiled = assert_as_eager(
        lambda x: (x * 2 + x.sum(0), x.mean(1)), X, [(normal(n, 5),) for n in (4, 1, 0, 1, 9)], 3
    )
    assert "argument 0 is f32[1,5], was f32[B,5]" in compiled.explain()


def test_dropout_draws_for_the_size_of_the_call() -> None:
    compiled = gt.compile(lambda x: F.dropout(x, 0.4), dynamic=X)
    for n in (50, 3, 7, 200):
        gt.manual_seed(n)
        found = compiled(gt.ones(n, 9))
        gt.manual_seed(n)
        assert_alike(found, F.dropout(gt.ones(n, 9), 0.4))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(11, 16), nn.Embedding(50, 16)
        self.qkv, self.out, self.norm = nn.Linear(16, 48), nn.Linear(16, 11), nn.LayerNorm(16)

    def forward(self, x: Any) -> Any:
        b, t = x.shape
        h = self.embed(x) + self.place(gt.arange(t))
        q, k, v = (p.view(b, t, 2, 8).transpose(1, 2) for p in self.qkv(self.norm(h)).chunk(3, -1))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(h + a.transpose(1, 2).reshape(b, t, 16))


def test_a_transformer_layer_of_every_batch_and_length() -> None:
    gt.manual_seed(1)
    model = Attention()
    compiled = gt.compile(copy.deepcopy(model), dynamic={"x": {0: "B", 1: "T"}})
    for b, t in ((4, 9), (2, 7), (5, 9), (3, 3), (7, 33)):
        tokens = classes(11, b, t)
        with gt.no_grad():
            assert_alike(compiled(tokens), model(tokens), 1e-4)


# ---- what a function does with sizes --------------------------------------------------------------


def shapes(x: Any, y: Any) -> Any:
    n = x.shape[0]
    return (
        n, x.shape, x.numel(), x.size(0) * 2 + 1, n // 2, {"half": (n + 1) // 2},
        x.view(n, -1).view(-1), x / n, gt.full((n, 3), 2.0), gt.arange(n), gt.zeros(n + 1), gt.linspace(0, 1, n), x.new_ones(n, 2),
        x.mean(), x.mean(0), x.std(), x.var(0), x.sum() / (n - 1), x.masked_fill(x > 0, 0.0), x.argmax(1), x.max(0).values,
        gt.cat([x, x]), gt.stack([x, x]), x[1:], x[:-1], x[:, :4], x[0], x[-1], x.chunk(2, 1), x.softmax(0),
        x.softmax(1), F.one_hot(y, 5), x.flatten(), x.expand(3, -1, -1), x.repeat(2, 1), F.pad(x, (1, 2)), x.flip(0),
        x.norm(), x.t() @ x, x @ x.t(), x.gather(1, y[:, None]), F.nll_loss(x.log_softmax(1), y),
    )  # fmt: skip


def test_shapes_with_sizes_that_are_not_known() -> None:
    calls = [(normal(n, 20), classes(5, n)) for n in SIZES]
    compiled = gt.compile(shapes, dynamic=XY)
    for x, y in calls:
        assert_alike(compiled(x, y), shapes(x, y), 1e-4)
    assert len(compiled.graphs) <= 2, compiled.explain()


def test_a_recurrence_over_every_batch_is_right() -> None:
    w = normal(4, 4)

    def f(x: Any) -> Any:
        return gt.scan(lambda h, a: (gt.tanh(h @ w + a), h), gt.zeros(x.shape[1], 4), x)

    compiled = gt.compile(f, dynamic={"x": {0: "T", 1: "B"}})
    for t, b in ((5, 3), (2, 9)):
        x = normal(t, b, 4)
        assert_alike(compiled(x), f(x))
    assert "T stands for one size alone: T == 17 (" in compiled.explain()


def test_a_size_of_an_argument_that_is_not_read() -> None:
    assert_as_eager(lambda x, y: y * x.shape[0], {"x": {1: "N"}}, [(normal(3, n), normal(4)) for n in (5, 2, 9)])


def test_names_are_the_same_size_in_all_arguments() -> None:
    def f(x: Any, y: Any) -> Any:
        return (x.unsqueeze(1) + y).sum(2) @ gt.ones(x.shape[1], 2).sum(1).sum().reshape(1, 1).expand(y.shape[0], 3)

    dynamic = {"x": {0: "B", 1: "T"}, "y": {-2: "S", -1: "T"}}
    calls = [(normal(b, t), normal(s, t)) for b, s, t in ((4, 6, 5), (3, 3, 3), (9, 2, 7))]
    compiled = assert_as_eager(f, dynamic, calls)
    with pytest.raises(ShapeError) as error:
        compiled(normal(4, 5), normal(6, 7))
    assert "GT119: the size T is 5 and 7 in one call" in str(error.value)
    assert "x is f32[4,5], of size 5 at 1" in str(error.value) and "y is f32[6,7], of size 7 at 1" in str(error.value)


def test_arguments_of_every_form() -> None:
    def f(a: Any, *rest: Any, k: Any = None, **more: Any) -> Any:
        return a + sum(rest) + sum(k.values()) + more["z"][0]

    dynamic = {name: {0: "B"} for name in ("a", "rest", "k", "z")}
    compiled = gt.compile(f, dynamic=dynamic)
    for n in (5, 2, 8):
        a, b, c, d, e = (normal(n, 3) for _ in range(5))
        assert_alike(compiled(a, b, c, k={"d": d}, z=[e]), a + b + c + d + e)
    assert len(compiled.graphs) == 1


def test_a_condition_on_a_size_is_a_guard() -> None:
    def f(x: Any) -> Any:
        return x * 2 if x.shape[0] > 10 else x - 1

    calls = [(normal(n, 3),) for n in (64, 5, 11, 10, 200, 2)]
    compiled = assert_as_eager(f, X, calls, programs=2)
    text = compiled.explain()
    assert re.search(
        r"for every B \(traced as 67\) of at least 2\n +where B > 10 \(.*test_dynamic.py:\d+ .*x \* 2", text
    )
    assert re.search(r"other sizes\n +for every B \(traced as \d+\) of at least 2\n +where B <= 10 \(", text)


def test_an_equation_of_two_sizes() -> None:
    def f(x: Any, y: Any) -> Any:
        return x @ y if x.shape[0] == y.shape[0] else x.sum() + y.sum()

    calls = [(normal(a, a), normal(b, 3)) for a, b in ((5, 7), (6, 6), (9, 9), (4, 3), (8, 2))]
    assert_as_eager(f, {"x": {0: "A", 1: "A"}, "y": {0: "B"}}, calls, programs=2)


def test_a_size_that_python_needs_has_a_program_for_itself() -> None:
    def f(x: Any, y: Any) -> Any:
        return sum(x[i] * i for i in range(x.shape[0])) + y.sum(0)

    calls = [(normal(n, 3), normal(m, 3)) for n, m in ((5, 6), (5, 9), (3, 9), (3, 2))]
    compiled = assert_as_eager(f, {"x": {0: "A"}, "y": {0: "B"}}, calls, programs=2)
    assert "A stands for one size alone: A == 17 (" in compiled.explain()
    assert "for every B (traced as " in compiled.explain()


def test_what_only_some_sizes_can_do_is_an_error_for_the_others_alone() -> None:
    weights = normal(64, 3)
    compiled = gt.compile(lambda x: x * weights, dynamic=X)
    for x in (normal(64, 3), normal(1, 3), normal(64, 3)):
        assert_alike(compiled(x), x * weights)
    with pytest.raises(ShapeError, match=r"GT101 in mul: sizes 63 and 64 at dimension -2 do not broadcast"):
        compiled(normal(63, 3))


def test_a_function_that_asserts_a_size() -> None:
    def f(x: Any) -> Any:
        assert x.shape[0] % 4 == 0, "a multiple of 4"
        return x.view(-1, 4).sum(1)

    compiled = gt.compile(f, dynamic={"x": {0: "N"}})
    for n in (8, 12, 40, 12):
        x = normal(n)
        assert_alike(compiled(x), f(x))
    with pytest.raises(AssertionError, match="a multiple of 4"):
        compiled(normal(7))
    assert len(compiled.graphs) == 1, compiled.explain()


def test_many_conditions_end_in_programs_for_single_sizes(monkeypatch: Any) -> None:
    monkeypatch.setattr(attempts, "_MOST", 2)

    def f(x: Any) -> Any:
        return x * sum(x.shape[0] > 3 * k for k in range(1, 13))

    compiled = assert_as_eager(f, X, [(normal(n, 2),) for n in (2, 3, 5, 9, 8, 9, 4)], programs=4)
    assert "for every B" in compiled.explain()
    assert "f32[9,2], was f32[B,2]; there are 2 programs for other sizes" in compiled.explain()


# ---- state, gradients, memory ---------------------------------------------------------------------


def test_gradients_go_through_a_compiled_module() -> None:
    model = mlp()
    compiled = gt.compile(model, dynamic={"input": {0: "B"}})
    twin = copy.deepcopy(model)
    for n in (6, 2, 13, 6):
        for m in (model, twin):
            m.zero_grad()
        x = normal(n, 20)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        (compiled(a) ** 2).mean().backward()
        (twin(b) ** 2).mean().backward()
        assert_alike([a.grad, *(p.grad for p in model.parameters())], [b.grad, *(p.grad for p in twin.parameters())])
    assert len(compiled.graphs) == 1


def test_two_calls_before_backward_keep_their_sizes() -> None:
    w = normal(4, 4).requires_grad_()
    compiled = gt.compile(lambda x: gt.tanh(x @ w), dynamic=X)
    a, b = normal(3, 4), normal(8, 4)
    total = compiled(a).sum() + (compiled(b) * 2).sum()
    total.backward()
    found, w.grad = w.grad, None
    (gt.tanh(a @ w).sum() + (gt.tanh(b @ w) * 2).sum()).backward()
    assert_alike(found, w.grad)


def test_a_gradient_of_dynamic_shape_is_stored() -> None:
    @gt.compile(dynamic=X)
    def f(x: Any) -> Any:
        (x * x).sum().backward()

    for n in (3, 5, 3):
        x = normal(n, 2).requires_grad_()
        f(x)
        assert_alike(x.grad, x.detach() * 2)
        f(x)
        assert_alike(x.grad, x.detach() * 4)


def test_a_size_that_is_assigned_is_that_of_the_call() -> None:
    class Counts(nn.Module):
        def forward(self, x: Any) -> Any:
            self.seen = (x.shape[0], x.shape[0] * 2)
            return x + 1

    model = Counts()
    compiled = gt.compile(model, dynamic=X)
    for n in (5, 9):
        compiled(normal(n, 2))
        assert model.seen == (n, 2 * n) and type(model.seen[0]) is int


def test_arguments_written_in_place_and_not_dense() -> None:
    def f(x: Any) -> Any:
        x += 1
        return x.sum(0)

    compiled = gt.compile(f, dynamic=X)
    for n in (6, 3, 11):
        for x in (normal(5, n).t(), normal(2 * n, 5)[::2]):
            y = x.clone()
            assert_alike(compiled(x), f(y))
            assert_alike(x, y)
    assert len(compiled.graphs) == 1


def test_nan_and_an_array_for_more_sizes_than_are_kept() -> None:
    compiled = gt.compile(lambda x: (x.max(), gt.relu(x), x.sum(0)), dynamic=X)
    for n in range(2, 80):
        x = normal(n, 3)
        x[n // 2, 1] = float("nan")
        found = compiled(x)
        assert np.isnan(found[0].numpy()) and np.array_equal(found[1].numpy(), np.maximum(x.numpy(), 0), equal_nan=True)
        np.testing.assert_allclose(found[2].numpy(), x.numpy().sum(0), 1e-5)
    assert len(compiled.graphs) == 1


def test_frozen_weights() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)).eval()
    compiled = gt.compile(model, dynamic={"input": {0: "B"}}, freeze=True)
    with gt.no_grad():
        for n in (5, 2, 9):
            x = normal(n, 3, 8, 8)
            assert_alike(compiled(x), model(x), 1e-4)
    assert len(compiled.graphs) == 1


# ---- the function that is compiled, and what it tells ---------------------------------------------


def doubled(x: Any) -> Any:
    return x * 2


def test_copies_and_pickles_are_dynamic_too() -> None:
    compiled = gt.compile(doubled, dynamic=X)
    for twin in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        for n in (3, 5, 8):
            x = normal(n, 2)
            assert_alike(twin(x), x * 2)
        assert len(twin.graphs) == 1
    model = pickle.loads(pickle.dumps(gt.compile(nn.Linear(3, 2), dynamic={"input": {0: "B"}})))
    model(normal(4, 3)), model(normal(6, 3))
    assert len(model.graphs) == 1


def test_explain_says_that_sizes_are_static() -> None:
    compiled = gt.compile(doubled)
    assert "static" not in compiled.explain()
    compiled(normal(3, 2))
    assert compiled.explain().endswith(
        'sizes are static: each new one compiles; name those that change, dynamic={"x": {0: "B"}}'
    )
    dynamic = gt.compile(doubled, dynamic=X)
    dynamic(normal(3, 2))
    assert "static" not in dynamic.explain()


def test_stages_are_texts_that_can_be_read_back(tmp_path: Any) -> None:
    compiled = gt.compile(lambda x: F.pad(x, (0, 1))[:, : x.shape[1] // 2].softmax(1), dynamic={"x": {0: "B", 1: "T"}})
    compiled(normal(4, 9))
    (stages,) = compiled.stages
    assert stages["trace"].startswith(
        "sizes B=17, T=19\ngraph @<lambda>(%x0: f32[B,T])".replace("<lambda>", '"<lambda>"')
    )
    for name, text in stages.items():
        if name not in ("fusion", "kernels", "llvm"):
            assert print_graph(parse_graph(text)) == text
    assert "T" in stages["kernels"]
    assert len(compiled.dump(str(tmp_path))) == len(stages)


def test_memory_is_that_of_the_sizes_of_a_call() -> None:
    (f, _), (g, _) = (step_of(mlp, functools.partial(gt.optim.SGD, lr=0.1)) for _ in range(2))
    compiled = gt.compile(f, dynamic=XY)
    for n in (100, 33):
        x, y = normal(n, 20), classes(5, n)
        found, static = compiled.memory(x, y), gt.compile(g).memory(x, y)
        assert (found.inputs, found.state, found.results) == (static.inputs, static.state, static.results)
        assert found.inputs == n * 88 and 0 < found.arena < 2 * static.arena
        assert all(not any(map(is_dynamic, v.type.shape)) for v in found.live)
    assert compiled.memory().inputs == 101 * 88, "with examples"


def test_calls_take_the_quick_path_whatever_the_size() -> None:
    def f(x: Any, n: int) -> Any:
        return x * n if x.shape[0] > 5 else x

    compiled = gt.compile(f, dynamic=X)
    for n in (9, 3, 30, 6, 5, 2):
        compiled(normal(n, 2), 4)
    compiled._look_up = None  # no other way is left, for sizes that were met
    for n in (30, 2, 6, 5, 9, 3):
        x = normal(n, 2)
        assert_alike(compiled(x, 4), f(x, 4))


@pytest.mark.parametrize(
    ("dynamic", "kind", "message"),
    [
        (
            {"z": {0: "B"}},
            ArgumentError,
            "GT308: dynamic names 'z', which is no argument of the function",
        ),
        ({"x": {0: "2B"}}, ArgumentError, "GT308: dynamic['x'][0] is '2B', which cannot be the name of a size"),
        ({"x": {0: "f32"}}, ArgumentError, "GT308: dynamic['x'][0] is 'f32', which cannot be the name of a size"),
        ({"x": {0: 64}}, ArgumentTypeError, "GT301: dynamic['x'][0] must be a str, got int 64"),
        ({"x": {"B": 0}}, ArgumentTypeError, "GT301: dynamic['x']['B'] must be a str, got int 0"),
        ({"x": {"0": "B"}}, ArgumentTypeError, "GT301: a dimension of dynamic['x'] must be an int, got str '0'"),
        ({"x": ["B"]}, ArgumentTypeError, "GT301: dynamic['x'] must be a mapping, got list ['B']"),
        ({0: {0: "B"}}, ArgumentTypeError, "GT301: dynamic names arguments by str, got int 0"),
        (["x"], ArgumentTypeError, "GT301: dynamic must be a mapping, got list ['x']"),
    ],
)
def test_a_wrong_dynamic(dynamic: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        gt.compile(doubled, dynamic=dynamic)


def test_a_dimension_that_a_tensor_has_not() -> None:
    compiled = gt.compile(doubled, dynamic={"x": {2: "B"}})
    with pytest.raises(IndexRangeError, match="GT302: dynamic names dimension 2 of x, which has 2 dimensions"):
        compiled(normal(3, 4))
