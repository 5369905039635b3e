"""gt.compile as users meet it: when it compiles again, what it refuses, how it joins eager code."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import AutogradError, ShapeError, TraceError
from graphtorch.testing import assert_close

RNG = np.random.default_rng(7)


def normal(*shape: int) -> gt.Tensor:
    return gt.from_numpy(RNG.standard_normal(shape).astype(np.float32))


def close(a: Any, b: Any) -> None:
    assert_close(a, b, rtol=1e-4, atol=1e-5)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0
        self.inner = nn.Linear(5, 3)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return self.inner(x) * self.scale


# ---- compiling again --------------------------------------------------------------------------------


def test_a_second_call_does_not_compile_again() -> None:
    f = gt.compile(lambda x: (x * 2).relu())
    x, y = normal(3, 7), normal(3, 7)
    close(f(x), (x * 2).relu())
    close(f(y), (y * 2).relu())
    assert len(f.stats) == 1


def test_new_shapes_and_dtypes_compile_another_program() -> None:
    f = gt.compile(lambda x: x + 1)
    for x in (normal(3), normal(4), gt.arange(3), normal(3)):
        close(f(x), x + 1)
    assert [s.reason for s in f.stats] == [
        "first call",
        "new arguments: argument 0 is f32[4], was f32[3]",
        "new arguments: argument 0 is i64[3], was f32[4]",
    ]


def test_a_changed_learning_rate_does_not_compile_again() -> None:
    def make() -> tuple[Any, Any, Any]:
        gt.manual_seed(3)
        model = nn.Linear(5, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: gt.Tensor) -> gt.Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    (step, model, optimizer), (other, eager_model, eager_optimizer) = make(), make()
    compiled = gt.compile(step)
    for i in range(6):
        x = normal(7, 5)
        optimizer.param_groups[0]["lr"] = eager_optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        close(compiled(x), other(x))
    close(list(model.parameters()), list(eager_model.parameters()))
    assert len(compiled.stats) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m, "scale", 5.0),
        lambda m: setattr(m, "inner", nn.Linear(5, 3)),
        lambda m: setattr(m.inner, "weight", nn.Parameter(normal(3, 5))),
        lambda m: m.load_state_dict({"inner.weight": normal(3, 5), "inner.bias": normal(3)}),
        lambda m: setattr(m.inner.weight, "data", normal(3, 5)),
        lambda m: m.inner.weight.requires_grad_(False),
    ],
    ids=["attribute", "layer", "parameter", "load_state_dict", "data", "requires_grad"],
)
def test_changed_python_state_is_never_stale(change: Any) -> None:
    model = Scaled()
    compiled = gt.compile(model)
    x = normal(4, 5)
    close(compiled(x), model(x))
    change(model)
    close(compiled(x), model(x))


def test_eval_and_train_are_two_programs() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5))
    compiled = gt.compile(model)
    x = normal(6, 5)
    gt.manual_seed(1)
    first = compiled(x)
    gt.manual_seed(1)
    close(first, model(x))
    model.eval()
    close(compiled(x), model(x))
    assert "training" in compiled.explain()


def test_a_changed_closure_number_and_global_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = 2.0

    def f(x: gt.Tensor) -> gt.Tensor:
        return x * factor + OFFSET

    compiled = gt.compile(f)
    x = normal(3)
    close(compiled(x), x * 2.0 + 1.0)
    factor = 3.0
    close(compiled(x), x * 3.0 + 1.0)
    monkeypatch.setitem(globals(), "OFFSET", 10.0)
    close(compiled(x), x * 3.0 + 10.0)


OFFSET = 1.0


def test_the_attribute_of_a_plain_object_is_seen() -> None:
    class Config:
        def __init__(self) -> None:
            self.width = 2.0

    config = Config()
    compiled = gt.compile(lambda x: x * config.width)
    x = normal(3)
    close(compiled(x), x * 2.0)
    config.width = 4.0
    close(compiled(x), x * 4.0)


def test_a_function_that_counts_in_python_is_refused() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            self.count += 1
            return x + self.count

    with pytest.raises(TraceError, match=r"GT605: Counter changes Python state(.*\n)+.*Counter\.count"):
        gt.compile(Counter())(normal(2))


# ---- what cannot be traced ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.sum().item(),
        lambda x: x + x.detach().numpy(),
        lambda x: x[int(x.argmax())],
        lambda x: x * x.tolist()[0],
    ],
    ids=["if", "float", "item", "numpy", "int", "tolist"],
)
def test_data_dependent_python_names_the_line(function: Any) -> None:
    with pytest.raises(TraceError) as caught:
        gt.compile(function)(normal(5))
    text = str(caught.value)
    assert text.startswith("TraceError GT601: ")
    assert "test_compile.py:" in text
    assert "gt.where(condition, a, b)" in text


def test_a_write_through_a_view_reaches_its_base() -> None:
    def f(x: gt.Tensor) -> gt.Tensor:
        y = x * 2
        y[0].zero_()
        y[:, 1:].add_(x[:, :1])
        return y

    compiled = gt.compile(f)
    for x in (normal(3, 2), normal(2, 3).t()):
        np.testing.assert_array_equal(compiled(x).numpy(), f(x).numpy())


def test_a_view_read_after_its_base_changed_shows_that() -> None:
    def f(x: gt.Tensor) -> gt.Tensor:
        y = x * 2
        v = y.reshape(-1)
        y.add_(1)
        return v

    compiled = gt.compile(f)
    x, y = normal(3, 2), normal(2, 3).t()
    np.testing.assert_array_equal(compiled(x).numpy(), f(x).numpy())
    with pytest.raises(TraceError, match="GT604"):  # 2 y lies as y does, and its reshape is a copy
        compiled(y)
    np.testing.assert_array_equal(compiled(x).numpy(), f(x).numpy())


def test_views_of_arguments_and_state_are_written_through() -> None:
    state = gt.zeros(3, 4)

    def f(x: gt.Tensor) -> gt.Tensor:
        state[1] += x[0]
        x.diagonal()[1:] = 7
        x.view(-1)[::5].mul_(2)
        return state.sum(0)

    x, y = normal(4, 4), normal(4, 4)
    want = x.numpy().copy()
    compiled = gt.compile(f)
    for a in (x, y):
        compiled(a)
    np.testing.assert_allclose(state.numpy()[1], want[0] + _before(y, 5), rtol=1e-6)
    want[range(1, 4), range(1, 4)] = 7
    want.reshape(-1)[::5] *= 2
    np.testing.assert_array_equal(x.numpy(), want)


def _before(y: gt.Tensor, every: int) -> Any:
    """The first row of y before its element 0 was doubled."""
    row = y.numpy()[0].copy()
    row[::every] /= 2
    return row


def test_what_a_reshape_of_unknown_memory_is_cannot_be_written() -> None:
    def f(x: gt.Tensor) -> gt.Tensor:
        y = x.t() + 1  # in the order of x.t()
        y.reshape(-1).mul_(2)
        return y

    with pytest.raises(TraceError, match=r"GT604: .*view or a copy"):
        gt.compile(f)(normal(3, 2))


def test_in_place_changes_of_arguments_and_state_happen() -> None:
    state = gt.zeros(3)

    def f(x: gt.Tensor) -> gt.Tensor:
        x.mul_(2)
        state.add_(x)
        return state * 1

    compiled = gt.compile(f)
    x = gt.tensor([1.0, 2.0, 3.0])
    close(compiled(x), gt.tensor([2.0, 4.0, 6.0]))
    close(compiled(x), gt.tensor([6.0, 12.0, 18.0]))
    close(x, gt.tensor([4.0, 8.0, 12.0]))
    close(state, gt.tensor([6.0, 12.0, 18.0]))


def test_state_that_is_swapped_and_returned() -> None:
    a, b = gt.tensor([1.0, 2.0]), gt.tensor([3.0, 4.0])

    def swap() -> tuple[gt.Tensor, gt.Tensor]:
        before = a * 1
        a.copy_(b)
        b.copy_(before)
        return a + 0.5, before

    out = gt.compile(swap)()
    close(out, (gt.tensor([3.5, 4.5]), gt.tensor([1.0, 2.0])))
    close((a, b), (gt.tensor([3.0, 4.0]), gt.tensor([1.0, 2.0])))


# ---- joining eager autograd --------------------------------------------------------------------------


def test_a_compiled_module_in_an_eager_loop() -> None:
    gt.manual_seed(5)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 5 * 3, 4))
    twin = copy.deepcopy(model)
    compiled = gt.compile(model)
    optimizers = [optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for _ in range(4):
        x, y = normal(6, 2, 7, 5), gt.randint(0, 4, (6,))
        for f, o in ((compiled, optimizers[0]), (twin, optimizers[1])):
            o.zero_grad()
            nn.functional.cross_entropy(f(x), y).backward()
            o.step()
    close(list(model.parameters()), list(twin.parameters()))
    close(list(model.buffers()), list(twin.buffers()))
    assert len(compiled.stats) == 1


def test_gradients_reach_inputs_and_accumulate() -> None:
    f = gt.compile(lambda x, y: (x * y).sigmoid())
    x, y = normal(3, 4).requires_grad_(), normal(4).requires_grad_()
    (f(x, y) * 3).sum().backward()
    (x * f(x, y)).sum().backward()
    got = x.grad, y.grad
    x.grad = y.grad = None
    ((x * y).sigmoid() * 3).sum().backward()
    (x * (x * y).sigmoid()).sum().backward()
    close(got, (x.grad, y.grad))


def test_backward_twice_needs_retain_graph() -> None:
    w = normal(3).requires_grad_()
    f = gt.compile(lambda x: (x * w).exp())
    out = f(normal(3)).sum()
    out.backward(retain_graph=True)
    out.backward()
    with pytest.raises(AutogradError, match="GT501"):
        out.backward()


def test_a_parameter_changed_between_forward_and_backward_is_an_error() -> None:
    w = normal(3).requires_grad_()
    out = gt.compile(lambda x: x * w * w)(normal(3)).sum()
    with gt.no_grad():
        w.mul_(2)
    with pytest.raises(AutogradError, match="GT502"):
        out.backward()


def test_gradients_are_left_on_the_parameters_of_a_compiled_step() -> None:
    w = normal(4, 3).requires_grad_()

    def step(x: gt.Tensor) -> gt.Tensor:
        loss = (x @ w).square().mean()
        loss.backward()
        return loss

    x = normal(5, 4)
    compiled = gt.compile(step)
    compiled(x)
    compiled(x)
    got, w.grad = w.grad, None
    step(x)
    step(x)
    close(got, w.grad)


def test_no_grad_inside_of_a_step_cuts_the_gradient() -> None:
    w = normal(3).requires_grad_()

    def step(x: gt.Tensor) -> gt.Tensor:
        with gt.no_grad():
            target = (x * w).tanh()
        loss = ((x * w) - target).square().sum()
        loss.backward()
        return loss

    x = normal(3)
    gt.compile(step)(x)
    got, w.grad = w.grad, None
    step(x)
    close(got, w.grad)


# ---- failing calls -----------------------------------------------------------------------------------


def test_a_failed_call_changes_nothing() -> None:
    gt.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = gt.compile(step)
    compiled(normal(6, 5))
    before = (
        copy.deepcopy(model.state_dict()),
        copy.deepcopy(optimizer.state_dict()),
        [p.grad for p in model.parameters()],
    )
    with pytest.raises(ShapeError) as caught:
        compiled(normal(6, 7))
    assert 'ShapeError GT109 in linear "0": input features do not match the weight' in str(caught.value)
    close(model.state_dict(), before[0])
    close(optimizer.state_dict()["state"], before[1]["state"])
    assert all(p.grad is g for p, g in zip(model.parameters(), before[2], strict=True))


def test_a_whole_function_may_be_empty_or_constant() -> None:
    x = normal(2)
    assert gt.compile(lambda x: x)(x) is x
    assert gt.compile(lambda x: (1, "a", None))(x) == (1, "a", None)
    close(gt.compile(lambda: gt.ones(3))(), gt.ones(3))
    close(gt.compile(lambda x: {"a": [x + 1, x]})(x), {"a": [x + 1, x]})


def test_outputs_are_never_overwritten_by_the_next_call() -> None:
    f = gt.compile(lambda x: x.exp())
    first = f(gt.zeros(3))
    f(gt.ones(3))
    close(first, gt.ones(3))


def test_non_contiguous_and_empty_arguments() -> None:
    f = gt.compile(lambda x: (x * 2).sum(0))
    x = normal(5, 3)
    close(f(x.T), (x.T * 2).sum(0))
    close(f(gt.zeros(0, 3)), gt.zeros(3))
    close(gt.compile(lambda x: x + 1)(gt.zeros(0, 3)), gt.zeros(0, 3))


# ---- state in every corner ---------------------------------------------------------------------------


def test_gradients_of_arguments_accumulate_and_join() -> None:
    g = gt.compile(lambda a, b: (a * b * b).sum().backward())
    x = gt.tensor([1.0, 2.0]).requires_grad_()
    g(x, x)
    close(x.grad, gt.tensor([3.0, 12.0]))
    g(x, x)
    close(x.grad, gt.tensor([6.0, 24.0]))


def test_a_parameter_that_is_also_an_argument() -> None:
    w = gt.tensor([1.0, 2.0]).requires_grad_()
    gt.compile(lambda y: (w * y).sum().backward())(w)
    close(w.grad, gt.tensor([2.0, 4.0]))


def test_data_and_frozen_parameters_cut_the_gradient() -> None:
    w = gt.tensor([1.0, 2.0]).requires_grad_()
    x = gt.ones(2)
    gt.compile(lambda x: (w.data * w * x).sum().backward())(x)
    close(w.grad, gt.tensor([1.0, 2.0]))


def test_the_object_of_a_bound_method_is_seen() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.factor = 2.0

        def step(self, x: gt.Tensor) -> gt.Tensor:
            return x * self.factor

    trainer = Trainer()
    compiled = gt.compile(trainer.step)
    x = normal(3)
    close(compiled(x), x * 2.0)
    trainer.factor = 10.0
    close(compiled(x), x * 10.0)


def test_updates_reach_state_that_is_not_contiguous() -> None:
    w = gt.zeros(2, 3)
    compiled = gt.compile(lambda: w.add_(1))
    compiled()
    w.data = gt.zeros(3, 2).T
    compiled()
    close(w, gt.ones(2, 3))


def test_an_argument_that_is_written_state_is_refused() -> None:
    b = gt.zeros(2)
    compiled = gt.compile(lambda y: b.add_(y) * 1)
    compiled(gt.ones(2))
    with pytest.raises(TraceError, match="GT607: argument 0 is also state"):
        compiled(b)


def test_an_argument_changed_before_backward_is_an_error() -> None:
    w = gt.ones(2).requires_grad_()
    x = gt.ones(2)
    out = gt.compile(lambda x: x * w)(x).sum()
    x.mul_(10)
    with pytest.raises(AutogradError, match="GT502"):
        out.backward()


def test_reductions_of_nothing_and_deep_copies() -> None:
    close(gt.compile(lambda x: x.sum(0))(gt.zeros(0, 3)), gt.zeros(3))
    compiled = gt.compile(nn.Linear(3, 2))
    x = normal(4, 3)
    close(copy.deepcopy(compiled)(x), compiled(x))


def test_a_method_is_compiled_for_each_object() -> None:
    class Trainer:
        def __init__(self, rate: float) -> None:
            self.model = nn.Linear(3, 1)
            self.optimizer = optim.SGD(self.model.parameters(), lr=rate)
            self.scale = 2.0

        def plain(self, x: gt.Tensor) -> gt.Tensor:
            self.optimizer.zero_grad()
            loss = (self.model(x) * self.scale).square().mean()
            loss.backward()
            self.optimizer.step()
            return loss

        step = gt.compile(plain)

    first, second = Trainer(0.1), Trainer(0.2)
    twins = copy.deepcopy(first), copy.deepcopy(second)
    for _ in range(3):
        x = normal(5, 3)
        for trainer, twin in zip((first, second), twins, strict=True):
            close(trainer.step(x), twin.plain(x))
        first.scale = twins[0].scale = first.scale + 1
    assert isinstance(Trainer.step, type(gt.compile(lambda: None)))


def test_a_compiled_module_is_used_like_the_module() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    compiled = gt.compile(model)
    assert compiled.eval() is compiled
    assert compiled.double().train().eval() is compiled
    x = normal(5, 3).double()
    assert_close(compiled(x), model(x))
    compiled.float()
    compiled.extra = nn.Linear(2, 2)
    assert model.extra is compiled.extra
    del compiled.extra
    assert list(compiled.state_dict()) == list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert not compiled.training


# ---- pickling -------------------------------------------------------------------------------------


@gt.compile
def decorated(x: gt.Tensor) -> gt.Tensor:
    return x * 2


@pytest.mark.parametrize("freeze", [False, True])
def test_a_compiled_module_is_pickled_as_its_module(freeze: bool) -> None:
    compiled = gt.compile(nn.Linear(3, 2), freeze=freeze)
    x = gt.ones(1, 3)
    before = pickle.dumps(compiled)
    with gt.no_grad():
        want = compiled(x)
    for data in (before, pickle.dumps(compiled)):
        twin = pickle.loads(data)
        assert (type(twin), twin._options["freeze"], len(twin.graphs)) == (type(compiled), freeze, 0)
        with gt.no_grad():
            np.testing.assert_array_equal(twin(x).numpy(), want.numpy())
        assert twin.weight is not compiled.weight


def test_a_decorated_function_is_pickled_by_name() -> None:
    decorated(gt.ones(2))
    assert pickle.loads(pickle.dumps(decorated)) is decorated
