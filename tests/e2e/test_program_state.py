"""What a compiled call does besides computing: assignments, shared memory, several backwards, and failing cleanly."""

from __future__ import annotations

import copy
import functools
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import AutogradError, GraphTorchError, ShapeError, TraceError
from graphtorch.testing import assert_close

RNG = np.random.default_rng(11)


def normal(*shape: int) -> gt.Tensor:
    return gt.from_numpy(RNG.standard_normal(shape).astype(np.float32))


def close(a: Any, b: Any) -> None:
    assert_close(a, b, rtol=1e-5, atol=1e-6)


# ---- assignments to modules --------------------------------------------------------------------------


class Average(nn.Module):
    """Assigns its buffer instead of writing into it, and leaves what it computed in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", gt.zeros(3))
        self.last: Any = None

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        if self.training:
            self.mean = self.mean * 0.5 + x.mean(0)
        self.last = {"hidden": [x * 2, "label"]}
        return x - self.mean


def test_a_buffer_that_is_assigned_is_state() -> None:
    eager, module = Average(), Average()
    compiled = gt.compile(module)
    for _ in range(4):
        x, before = normal(5, 3), module.mean
        kept = before.clone()
        close(compiled(x), eager(x))
        close(module.mean, eager.mean)
        close(module.last, eager.last)
        close(before, kept)  # as in eager mode, the former buffer is another tensor
    module.eval()
    eager.eval()
    for _ in range(3):  # the program for evaluation sees what the one for training assigns
        close(compiled(x), eager(x))
        module.train()
        eager.train()
        close(compiled(x), eager(x))
        module.eval()
        eager.eval()
    assert len(compiled.stats) == 2
    assert list(module.state_dict()) == ["mean"]


def test_an_assigned_tensor_joins_autograd() -> None:
    class Keeps(nn.Module):
        def forward(self, x: gt.Tensor) -> gt.Tensor:
            self.hidden = x * x
            return self.hidden.exp()

    x = normal(4).requires_grad_()
    module = Keeps()
    gt.compile(module)(x)
    module.hidden.sum().backward()
    close(x.grad, 2 * x.detach())


def test_a_failed_trace_leaves_no_mark() -> None:
    class Fails(Average):
        def forward(self, x: gt.Tensor) -> gt.Tensor:
            out = super().forward(x)
            self.extra = out
            history.append(out)
            return out @ x  # [5, 3] @ [5, 3]

    history: list[Any] = []
    module = Fails()
    mean, names = module.mean, set(vars(module))
    with pytest.raises(ShapeError):
        gt.compile(module)(normal(5, 3))
    assert module.mean is mean
    assert module.last is None
    assert set(vars(module)) == names
    assert history == []


def test_a_failed_first_step_leaves_no_optimizer_state() -> None:
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: gt.Tensor) -> gt.Tensor:
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss @ x  # a 0-d tensor

    with pytest.raises(ShapeError):
        gt.compile(step)(normal(5, 3))
    assert optimizer.state_dict()["state"] == {}
    assert all(p.grad is None for p in model.parameters())


# ---- state that a trace must not bake in -------------------------------------------------------------

TABLE = np.array([1.0, 2.0, 3.0], np.float32)


class Config:
    scale = 2.0


class ClassAttribute(nn.Module):
    scale = 2.0

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return x * self.scale


def _relu(x: gt.Tensor) -> gt.Tensor:
    return x.relu()


ACTIVATION = _relu


def test_arrays_changed_in_place_are_seen() -> None:
    compiled = gt.compile(lambda x: x * gt.tensor(TABLE))
    x = normal(3)
    close(compiled(x), x * gt.tensor(TABLE))
    TABLE[1] = 7.0
    close(compiled(x), x * gt.tensor(TABLE))


def test_class_attributes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = gt.compile(ClassAttribute()), gt.compile(lambda x: x * Config.scale)
    x = normal(3)
    close((compiled(x), plain(x)), (x * 2, x * 2))
    monkeypatch.setattr(ClassAttribute, "scale", 5.0)
    monkeypatch.setattr(Config, "scale", 7.0)
    close((compiled(x), plain(x)), (x * 5, x * 7))


def test_a_replaced_global_function_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = gt.compile(lambda x: ACTIVATION(x))
    x = normal(5)
    close(compiled(x), x.relu())
    monkeypatch.setitem(globals(), "ACTIVATION", gt.sigmoid)
    close(compiled(x), x.sigmoid())


def test_what_a_partial_holds_is_seen() -> None:
    config = {"scale": 2.0}
    compiled = gt.compile(functools.partial(lambda c, x, shift: x * c["scale"] + shift[0], config, shift=[1.0]))
    x = normal(3)
    close(compiled(x), x * 2 + 1)
    config["scale"] = 4.0
    close(compiled(x), x * 4 + 1)


def test_every_one_of_several_closures_and_objects_is_seen() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, x: gt.Tensor) -> gt.Tensor:
            return x * self.by

    def adder(term: float) -> tuple[Callable[[Any], Any], Callable[[float], None]]:
        def change(to: float) -> None:
            nonlocal term
            term = to

        return lambda x: x + term, change

    scales = [Scale(2.0), Scale(2.0), Scale(3.0)]
    adders = [adder(1.0), adder(1.0)]

    def f(x: gt.Tensor) -> gt.Tensor:
        for g in (*scales, *(a for a, _ in adders)):
            x = g(x)
        return x

    compiled = gt.compile(f)
    x = normal(3)
    close(compiled(x), f(x))
    scales[1].by = 5.0
    close(compiled(x), f(x))
    adders[1][1](9.0)
    close(compiled(x), f(x))


def test_lists_and_objects_of_the_function_itself_may_change() -> None:
    class Log:
        def __init__(self) -> None:
            self.count = 0

    def note(log: Log, into: list[Any], x: gt.Tensor) -> None:
        log.count += 1
        into.append(x * log.count)

    def f(x: gt.Tensor) -> Any:
        log, found = Log(), []

        def twice(y: gt.Tensor) -> None:
            found.append(y * 2)

        for _ in range(2):
            note(log, found, x)
            twice(x)
        return found

    compiled = gt.compile(f)
    x = normal(3)
    close(compiled(x), f(x))
    close(compiled(x), f(x))
    assert len(compiled.stats) == 1


@pytest.mark.parametrize(
    "draw",
    [random.random, lambda: random.randint(1, 100000), lambda: np.random.rand(), lambda: GENERATOR.random()],
    ids=["random", "randint", "numpy", "generator"],
)
def test_python_random_numbers_are_refused(draw: Callable[[], float]) -> None:
    with pytest.raises(TraceError, match=r"GT60[59]") as caught:
        gt.compile(lambda x: x * draw())(normal(3))
    assert "random" in str(caught.value) or "GENERATOR" in str(caught.value)


GENERATOR = np.random.default_rng(0)


# ---- memory that is shared ---------------------------------------------------------------------------


def test_two_parameters_on_one_storage_have_a_gradient_each() -> None:
    base = normal(4)
    results = []
    for wrap in (lambda f: f, gt.compile):
        a, b = nn.Parameter(base), nn.Parameter(base)
        wrap(lambda x: (a * x + b * b).sum().backward())(gt.full((4,), 3.0))
        joined_a, joined_b = nn.Parameter(base), nn.Parameter(base)
        wrap(lambda x: joined_a * x + joined_b * joined_b)(gt.full((4,), 3.0)).sum().backward()
        results.append([a.grad, b.grad, joined_a.grad, joined_b.grad])
    close(results[1], results[0])


def test_state_that_comes_to_share_memory_is_compiled_again() -> None:
    a, b = gt.zeros(3), gt.ones(3)

    def f() -> gt.Tensor:
        a.add_(1)
        return a + b

    compiled = gt.compile(f)
    close(compiled(), gt.full((3,), 2.0))
    b.data = a.data
    close(compiled(), gt.full((3,), 4.0))
    close(compiled(), gt.full((3,), 6.0))


def test_tensors_made_from_python_data_are_new_at_every_call() -> None:
    compiled = gt.compile(lambda: gt.tensor([1.0, 2.0]))
    first = compiled()
    first.mul_(10)
    close(compiled(), gt.tensor([1.0, 2.0]))


def test_state_written_in_the_forward_call_gets_its_gradient() -> None:
    results = []
    for wrap in (lambda f: f, gt.compile):
        w = gt.ones(3).requires_grad_()

        def f(x: gt.Tensor, w: gt.Tensor = w) -> gt.Tensor:
            with gt.no_grad():
                w.mul_(2)
            return w * w * x

        wrap(f)(gt.tensor([1.0, 2.0, 3.0])).sum().backward()
        results.append((w.grad, w.detach()))
    close(results[1], results[0])


# ---- several outputs, several backwards --------------------------------------------------------------


def test_an_output_that_is_not_used_gives_no_gradient() -> None:
    a, b = normal(3).requires_grad_(), normal(3).requires_grad_()
    used, _ = gt.compile(lambda x: (x * a, x * b))(normal(3))
    used.sum().backward()
    assert a.grad is not None
    assert b.grad is None


def test_independent_outputs_have_independent_backwards() -> None:
    a, b = normal(3).requires_grad_(), normal(3).requires_grad_()
    x = normal(3)
    first, second = gt.compile(lambda x: ((x * a).exp(), (x * b).exp()))(x)
    first.sum().backward()
    second.sum().backward()
    close(a.grad, x * (x * a.detach()).exp())
    close(b.grad, x * (x * b.detach()).exp())
    for out in (first, second):
        with pytest.raises(AutogradError, match="GT501"):
            out.sum().backward()


@pytest.mark.parametrize("wrap", [lambda f: f, gt.compile], ids=["eager", "compiled"])
def test_outputs_with_a_common_trunk_need_retain_graph(wrap: Any) -> None:
    a = normal(3).requires_grad_()

    def f(x: gt.Tensor) -> tuple[gt.Tensor, gt.Tensor]:
        trunk = (x * a).exp()
        return trunk * 2, trunk * 3

    x = normal(3)
    first, second = wrap(f)(x)
    first.sum().backward(retain_graph=True)
    second.sum().backward()
    close(a.grad, 5 * x * (x * a.detach()).exp())
    with pytest.raises(AutogradError, match="GT501"):
        first.sum().backward()


@pytest.mark.parametrize("wrap", [lambda f: f, gt.compile], ids=["eager", "compiled"])
def test_backward_again_where_nothing_was_saved(wrap: Any) -> None:
    a = normal(3).requires_grad_()
    out = wrap(lambda: a + a)()
    loss = out.sum()
    loss.backward()
    loss.backward()
    close(a.grad, gt.full((3,), 4.0))


def test_a_released_call_still_checks_what_it_needs() -> None:
    w = normal(3).requires_grad_()
    first, second = gt.compile(lambda x: (x * w * w, (x + w).exp() * w))(normal(3))
    first.sum().backward()
    with gt.no_grad():
        w.mul_(2)
    with pytest.raises(GraphTorchError, match=r"GT50[12]"):
        second.sum().backward()


def test_what_the_standard_library_does_to_itself_is_not_the_function_s() -> None:
    def f(x: gt.Tensor) -> gt.Tensor:
        import typing

        @typing.overload
        def g(x: int) -> int: ...
        @typing.overload
        def g(x: str) -> str: ...
        def g(x: Any) -> Any:
            return x

        return x * g(2)

    close(gt.compile(f)(gt.ones(3)), gt.full((3,), 2.0))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m._parameters.update(weight=nn.Parameter(normal(2, 3))),
        lambda m: m._parameters.__setitem__("bias", None),
        lambda m: [m._parameters.pop("weight"), m.register_parameter("weight", nn.Parameter(normal(2, 3)))],
        lambda m: m.__dict__["_parameters"].clear() or m.__init__(3, 2),
    ],
)
def test_tables_changed_by_hand_are_seen(change: Any) -> None:
    module = nn.Linear(3, 2)
    compiled = gt.compile(module)
    x = normal(4, 3)
    close(compiled(x), module(x))
    change(module)
    close(compiled(x), module(x))


def test_a_layer_exchanged_in_the_table_is_seen() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    compiled = gt.compile(model)
    x = normal(4, 3)
    close(compiled(x), model(x))
    model._modules["1"] = nn.Sigmoid()
    close(compiled(x), model(x))
    del model._modules["1"]
    close(compiled(x), model(x))
    twin = copy.deepcopy(model)
    twin._modules["0"] = nn.Linear(3, 5)
    close(compiled(x), model(x))
    assert pickle.loads(pickle.dumps(model)).state_dict().keys() == model.state_dict().keys()
