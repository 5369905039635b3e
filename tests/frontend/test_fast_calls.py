"""A call that is told by direct comparisons is answered as one that is looked up: never for another Python state."""

from __future__ import annotations

import ctypes
import linecache
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import ShapeError, TraceError
from graphtorch.frontend.compile import Compiled
from graphtorch.frontend.signature import same_kind
from graphtorch.frontend.tracer import Tracer
from graphtorch.runtime import threads
from graphtorch.runtime.gather import CONTIGUOUS, plan_of

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def x(dtype: Any = np.float32) -> gt.Tensor:
    return gt.from_numpy(X.astype(dtype))


def warm(f: Any, *args: Any, **kwargs: Any) -> Any:
    """A compiled function that has been called twice like this, so that the next such call is a quick one."""
    compiled = f if isinstance(f, Compiled) else gt.compile(f)
    for _ in range(2):
        compiled(*args, **kwargs)
    return compiled


def looked_up(compiled: Any, call: Callable[[], Any]) -> tuple[Any, bool]:
    """What a call gives, and whether it had to look up its program by key."""
    seen: list[int] = []
    real = Compiled._look_up

    def spy(self: Any, args: Any, kwargs: Any) -> Any:
        seen.append(1)
        return real(self, args, kwargs)

    Compiled._look_up = spy  # type: ignore[method-assign]
    try:
        return call(), bool(seen)
    finally:
        Compiled._look_up = real  # type: ignore[method-assign]


def test_equal_calls_are_quick_ones() -> None:
    f = warm(lambda a, b, scale=1.0: (a + b) * scale, x(), x(), scale=2.0)
    result, slow = looked_up(f, lambda: f(x(), x(), scale=2.0))
    assert not slow
    np.testing.assert_array_equal(result.numpy(), X * 4)


# ---- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        lambda: x(np.float64),
        lambda: x(np.int64),
        lambda: x()[:1],
        lambda: gt.from_numpy(X.T.copy()),
        lambda: x().requires_grad_(),
        lambda: x().requires_grad_() * 1,
        lambda: nn.Parameter(x()),
        lambda: 2.0,
        lambda: 2,
    ],
)
def test_another_kind_of_argument(other: Callable[[], Any]) -> None:
    def f(a: Any) -> Any:
        return (gt.ones(3) * a if isinstance(a, float | int) else a * 2) + 1

    compiled = warm(f, x())
    found, slow = looked_up(compiled, lambda: compiled(other()))
    want = f(other())
    assert slow and found.dtype == want.dtype and found.requires_grad == want.requires_grad
    np.testing.assert_array_equal(found.detach().numpy(), want.detach().numpy())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, True),
        (True, 1),
        (1, 1.0),
        (0.0, -0.0),
        (-0.0, 0.0),
        (0, False),
        (2.0, 2),
        (None, 0),
        ("a", "b"),
        (float("nan"), 1.0),
        (1j, 1 + 0j),
        (gt.float32, gt.float64),
        ((1, 2), [1, 2]),
        ((1, 2), (1, 3)),
        ((1, 2), (1, 2, 3)),
        ({"a": 1}, {"b": 1}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([], ()),
        ([1, [2, 3]], [1, [2, 4]]),
        (x, lambda: 0),
    ],
)
def test_python_arguments(before: Any, after: Any) -> None:
    seen: list[Any] = []

    def f(a: gt.Tensor, value: Any) -> gt.Tensor:
        seen.append(0)
        return a * 2

    quick = same_kind((x(), before), {})
    assert quick is not None
    assert quick((x(), before), {}) is not None
    assert quick((x(), after), {}) is None


def test_negative_zero_in_a_program() -> None:
    f = warm(lambda a, s: gt.ones(2) / (a * s), gt.ones(2), 0.0)
    assert f(gt.ones(2), -0.0).tolist() == [-np.inf] * 2
    assert f(gt.ones(2), 0.0).tolist() == [np.inf] * 2


def test_arguments_by_name_and_position() -> None:
    f = warm(lambda a, b: a - b, x(), x())
    np.testing.assert_array_equal(f(b=x(), a=x() * 2).numpy(), X)
    warm(f, b=x(), a=x() * 2)
    np.testing.assert_array_equal(f(a=x(), b=x() * 2).numpy(), -X)
    with pytest.raises(TypeError):
        f(x())
    with pytest.raises(TypeError):
        f(x(), x(), x())


class Text(str):
    """Equal to a plain string."""


def test_a_key_of_another_class_is_another_key() -> None:
    quick = same_kind(({"a": 1},), {})
    assert quick is not None
    assert quick(({"a": 1},), {}) is not None
    assert quick(({Text("a"): 1},), {}) is None
    assert quick((), {"a": 1}) is None


class Kept(gt.Tensor):
    """A subclass is looked up."""


def test_subclasses() -> None:
    f = warm(lambda a: a.class_name if isinstance(a, Kept) else a + 1, x())
    kept = x()
    kept.__class__ = Kept
    assert same_kind((kept,), {}) is None
    compared = same_kind((x(),), {})
    assert compared is not None
    assert compared((kept,), {}) is None
    np.testing.assert_array_equal(f(x()).numpy(), X + 1)


def test_objects_are_told_apart_by_identity_unless_they_say_otherwise() -> None:
    one, two = types.SimpleNamespace, object()
    quick = same_kind((two, one), {})
    assert quick is not None
    assert quick((two, one), {}) == ()
    assert quick((object(), one), {}) is None
    assert same_kind((frozenset({1}),), {}) is None  # equal may mean anything


def test_a_list_argument_that_is_changed_in_place() -> None:
    items: list[Any] = [x(), 2]
    f = warm(lambda given: given[0] * given[1], items)
    items[1] = 3
    np.testing.assert_array_equal(f(items).numpy(), X * 3)
    items[0] = gt.ones(2)
    np.testing.assert_array_equal(f(items).numpy(), [3, 3])
    items.append(1)
    np.testing.assert_array_equal(f(items).numpy(), [3, 3])


def test_which_arguments_are_one() -> None:
    def f(a: gt.Tensor, b: gt.Tensor, c: gt.Tensor) -> gt.Tensor:
        a.add_(1)
        return b * 1 + c

    compiled = warm(f, x(), x(), x())
    a, b = x(), x()
    np.testing.assert_array_equal(compiled(a, a, b).numpy(), X + 1 + X)
    np.testing.assert_array_equal(compiled(a, b, a).numpy(), X + X + 2)
    np.testing.assert_array_equal(compiled(a, b, b).numpy(), X + X)
    np.testing.assert_array_equal(compiled(a, x(), b).numpy(), X + X)
    np.testing.assert_array_equal(a.numpy(), X + 4)


def test_many_arguments_of_which_two_are_one() -> None:
    many = [x() for _ in range(6)]
    quick = same_kind((many,), {})
    assert quick is not None and quick((many,), {}) == tuple(many)
    assert quick(([*many[:5], many[0]],), {}) is None


@pytest.mark.parametrize("switch", [gt.no_grad, gt.enable_grad])
def test_the_grad_mode(switch: Any) -> None:
    w = nn.Parameter(x())
    f = gt.compile(lambda a: a * w)
    with gt.no_grad() if switch is gt.enable_grad else gt.enable_grad():
        warm(f, x())
    with switch():
        found, slow = looked_up(f, lambda: f(x()))
        assert slow and found.requires_grad == (switch is gt.enable_grad)


# ---- layout and memory -------------------------------------------------------------------------------


def test_strides() -> None:
    f = warm(lambda a: a + 1, x())
    wide = gt.from_numpy(np.arange(24, dtype=np.float32).reshape(4, 6))
    for part in (wide[::2, ::2], wide.T[:2, :3], gt.from_numpy(np.broadcast_to(X[:1], (2, 3)))):
        np.testing.assert_array_equal(f(part).numpy(), part.numpy() + 1)


def test_strides_that_the_function_asks_for() -> None:
    f = warm(lambda a: a + a.stride(0), x())
    np.testing.assert_array_equal(f(gt.from_numpy(np.asfortranarray(X))).numpy(), X + 1)


def test_a_subclass_of_array_is_taken_as_well() -> None:
    f = warm(lambda a: a + 1, x())

    class Mine(np.ndarray):
        pass

    np.testing.assert_array_equal(f(gt.from_numpy(X.copy().view(Mine))).numpy(), X + 1)


def test_outputs_are_fresh() -> None:
    f = warm(lambda a: (a + 1, a + 2), x())
    a, b = f(x())
    c, d = f(x() * 2)
    memory = [t.numpy() for t in (a, b, c, d)]
    assert not any(np.shares_memory(p, q) for p in memory for q in memory if p is not q)
    np.testing.assert_array_equal(a.numpy(), X + 1)
    np.testing.assert_array_equal(d.numpy(), X * 2 + 2)


def test_an_argument_that_is_state_or_overlaps_it() -> None:
    state = gt.zeros(4)

    def f(a: gt.Tensor) -> gt.Tensor:
        state.add_(1)
        return a * 2

    compiled = warm(f, gt.ones(4))
    with pytest.raises(TraceError, match="GT607"):
        compiled(gt.from_numpy(state.numpy()[:]))
    assert state.tolist() == [2] * 4
    compiled(gt.ones(4))
    assert state.tolist() == [3] * 4


def test_arguments_that_overlap() -> None:
    def f(a: gt.Tensor, b: gt.Tensor) -> gt.Tensor:
        a.add_(1)
        return b * 2

    compiled = warm(f, gt.ones(4), gt.ones(4))
    memory = np.zeros(6, np.float32)
    with pytest.raises(TraceError, match="GT607") as caught:
        compiled(gt.from_numpy(memory[:4]), gt.from_numpy(memory[2:]))
    assert "test_fast_calls.py" in str(caught.value) and "<graphtorch" not in str(caught.value)  # the user's line
    assert not memory.any()
    np.testing.assert_array_equal(compiled(gt.from_numpy(memory[:4]), gt.ones(4)).numpy(), [2] * 4)
    assert memory.tolist() == [1, 1, 1, 1, 0, 0]


def test_interleaved_views_do_not_overlap() -> None:
    def f(a: gt.Tensor, b: gt.Tensor) -> gt.Tensor:
        a.add_(1)
        return b * 2

    compiled = warm(f, gt.ones(3), gt.ones(3))
    memory = np.zeros(6, np.float32)
    compiled(gt.from_numpy(memory[::2]), gt.from_numpy(memory[1::2]))
    assert memory.tolist() == [1, 0, 1, 0, 1, 0]


def test_memory_that_must_not_be_written() -> None:
    compiled = warm(lambda a: a.add_(1), gt.ones(3))
    locked = np.zeros(3, np.float32)
    t = gt.from_numpy(locked)
    locked.flags.writeable = False
    with pytest.raises(TraceError, match="GT613"):
        compiled(t)
    assert not locked.any()


# ---- what else a function looks at -------------------------------------------------------------------

GLOBAL: Any = 2.0


def test_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    f = warm(lambda a: a * GLOBAL, x())
    monkeypatch.setitem(globals(), "GLOBAL", 3.0)
    np.testing.assert_array_equal(f(x()).numpy(), X * 3)
    monkeypatch.setitem(globals(), "GLOBAL", 2.0)
    np.testing.assert_array_equal(f(x()).numpy(), X * 2)


def test_a_closure() -> None:
    factor: Any = 2.0

    def f(a: gt.Tensor) -> gt.Tensor:
        return a * factor  # noqa: F821 (it is deleted below)

    compiled = warm(f, x())
    factor = 3.0
    np.testing.assert_array_equal(compiled(x()).numpy(), X * 3)
    factor = x()
    np.testing.assert_array_equal(compiled(x()).numpy(), X * X)
    del factor
    with pytest.raises(NameError):
        compiled(x())


def test_what_a_list_in_a_closure_holds() -> None:
    factors = [2.0]
    f = warm(lambda a: a * factors[0], x())
    factors[0] = 3.0
    np.testing.assert_array_equal(f(x()).numpy(), X * 3)


def test_the_code_and_the_defaults_of_a_function() -> None:
    def helper(a: gt.Tensor, by: float = 2.0, *, more: float = 1.0) -> gt.Tensor:
        return a * by + more

    f = warm(lambda a: helper(a), x())
    helper.__defaults__ = (3.0,)
    np.testing.assert_array_equal(f(x()).numpy(), X * 3 + 1)
    helper.__kwdefaults__["more"] = 5.0
    np.testing.assert_array_equal(f(x()).numpy(), X * 3 + 5)
    helper.__code__ = (lambda a, by, *, more: a - by).__code__
    np.testing.assert_array_equal(f(x()).numpy(), X - 3)


def test_an_attribute_of_a_python_module() -> None:
    lib = types.ModuleType("lib")
    lib.factor = 2.0  # type: ignore[attr-defined]
    f = warm(lambda a: a * lib.factor, x())
    lib.factor = 4.0  # type: ignore[attr-defined]
    np.testing.assert_array_equal(f(x()).numpy(), X * 4)


def test_modules() -> None:
    gt.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9))
    f, given = gt.compile(net), gt.ones(2, 3)

    def check() -> None:
        with gt.no_grad():
            warm(f, given)
            found, slow = looked_up(f, lambda: f(given))
            assert not slow
            np.testing.assert_allclose(found.numpy(), net(given).numpy(), rtol=1e-5)

    net.eval()
    check()
    net[0].weight = nn.Parameter(gt.ones(3, 3))
    check()
    net[0].weight.data = gt.zeros(3, 3)
    check()
    net[0].weight.data.fill_(2.0)
    check()
    net.load_state_dict({name: gt.ones(*t.shape) for name, t in net.state_dict().items()})
    check()
    net.load_state_dict({name: gt.zeros(*t.shape) for name, t in net.state_dict().items()}, assign=True)
    check()
    net[1] = nn.ReLU()
    check()
    with pytest.raises(ShapeError):
        f(gt.ones(2, 4))
    check()
    net[0].weight.requires_grad_(False)
    net[0].bias.requires_grad_(False)
    assert not f(given).requires_grad
    net[0].bias.requires_grad_()
    assert f(given).requires_grad


def test_a_frozen_program_sees_new_weights() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU()).eval()
    f = gt.compile(net, freeze=True)
    with gt.no_grad():
        warm(f, x())
        for value in (1.0, 2.0):
            net.load_state_dict({name: gt.ones(*t.shape) * value for name, t in net.state_dict().items()})
            for given in (x(), gt.from_numpy(np.asfortranarray(X)), x()):
                np.testing.assert_allclose(f(given).numpy(), net(given).numpy(), rtol=1e-6)


def test_a_compiled_module_answers_for_its_module() -> None:
    net = gt.compile(nn.Linear(3, 3))
    warm(net, x())
    net.weight = nn.Parameter(gt.zeros(3, 3))
    net.bias.data.fill_(7.0)
    found = net(x())
    assert found.tolist() == [[7.0] * 3] * 2 and found.requires_grad


def test_state_that_is_assigned_in_every_call() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", gt.zeros(3))

        def forward(self, a: gt.Tensor) -> gt.Tensor:
            self.seen = self.seen + a
            return self.seen * 2

    module = Last()
    f = warm(gt.compile(module, ignore={"GT346"}), gt.ones(3))
    for count in (3, 4):
        assert f(gt.ones(3)).tolist() == [2 * count] * 3
    module.seen = gt.zeros(3)
    assert f(gt.ones(3)).tolist() == [2] * 3
    module.seen = gt.zeros(3, dtype=gt.float64)
    assert f(gt.ones(3)).dtype is gt.float64


def test_a_tensor_that_was_kept_from_a_trace_has_no_data() -> None:
    kept = Tracer("earlier").add_input(x().aval, 0, None, False)
    f = warm(lambda a: a + 1, x())
    with pytest.raises(TraceError, match="GT601"):
        f(kept)


def test_whether_a_gradient_is_none() -> None:
    w = nn.Parameter(gt.ones(3))

    def f(a: gt.Tensor) -> gt.Tensor:
        return a * 2 if w.grad is None else a + w.grad

    compiled = warm(f, gt.ones(3))
    w.grad = gt.ones(3)
    assert compiled(gt.ones(3)).tolist() == [2] * 3
    w.grad = gt.ones(3) * 5
    assert compiled(gt.ones(3)).tolist() == [6] * 3
    w.grad = None
    assert compiled(gt.ones(3)).tolist() == [2] * 3


# ---- steps of training -------------------------------------------------------------------------------


def training(compiled: bool, momentum: float = 0.9) -> tuple[Any, nn.Module, optim.SGD]:
    gt.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=momentum)

    def step(a: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = (model(a) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    return gt.compile(step) if compiled else step, model, optimizer


def changes(optimizer: optim.SGD, model: nn.Module, at: int) -> None:
    group = optimizer.param_groups[0]
    if at == 2:
        group["lr"] = 0.01
    if at == 4:
        group["momentum"] = 0
    if at == 6:
        group["momentum"], group["nesterov"] = 0.5, True
    if at == 8:
        group["params"].pop()
    if at == 10:
        optimizer.state[group["params"][0]]["momentum_buffer"] = gt.ones(2, 3)
    if at == 12:
        model.weight.requires_grad_(False)
    if at == 14:
        model.weight.data = gt.ones(2, 3)


def test_a_step_sees_what_happens_to_its_optimizer() -> None:
    found = []
    for compiled in (False, True):
        step, model, optimizer = training(compiled)
        losses = []
        for at in range(16):
            changes(optimizer, model, at)
            losses.append(step(x()).item())
        found.append(losses)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_gradients_of_a_step_are_fresh_and_versions_move() -> None:
    step, model, _ = training(True, momentum=0)
    warm(step, x())
    grad, version = model.weight.grad, model.weight._storage.version
    kept = grad.tolist()
    step(x())
    assert model.weight.grad is not grad and grad.tolist() == kept
    assert model.weight._storage.version == version + 1


def test_an_error_in_a_call_leaves_the_next_one_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    step, model, _ = training(True)
    warm(step, x())
    want = model.weight.tolist()

    def fails(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threads.pool(), "launch", fails)
        with pytest.raises(KeyboardInterrupt):
            step(x())
    assert model.weight.tolist() == want
    again, other, _ = training(True)
    warm(again, x())
    np.testing.assert_allclose(step(x()).item(), again(x()).item(), rtol=1e-6)
    np.testing.assert_allclose(model.weight.tolist(), other.weight.tolist(), rtol=1e-6)


def test_outputs_that_join_eager_autograd() -> None:
    w = nn.Parameter(gt.ones(3))
    f = warm(lambda a: (a * w).sum(), gt.ones(3))
    for k in (1.0, 2.0):
        w.grad = None
        f(gt.ones(3) * k).backward()
        assert w.grad.tolist() == [k] * 3
    w.grad = None
    first, second = f(gt.ones(3)), f(gt.ones(3) * 5)
    (first + second).backward()
    assert w.grad.tolist() == [6] * 3


def test_an_argument_that_backward_needs() -> None:
    a, w = x(), nn.Parameter(x())
    f = warm(lambda a: (a * w).sum(), a)
    loss = f(a)
    a.add_(1)
    with pytest.raises(Exception, match="GT502"):
        loss.backward()


# ---- threads -----------------------------------------------------------------------------------------


def test_two_threads_at_once() -> None:
    f = warm(lambda a, s: (a @ a.T) * s, x(), 2.0)
    wrong: list[Any] = []

    def work(k: int) -> None:
        for i in range(200):
            given = X * k + i
            size = 2.0 if i % 3 else 3.0
            found = f(gt.from_numpy(given), size).numpy()
            if not np.allclose(found, given @ given.T * size):
                wrong.append((k, i))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_the_number_of_threads() -> None:
    before = gt.get_num_threads()
    big = gt.ones(64, 64)
    f = warm(lambda a: a @ a, big)
    try:
        for count in (1, 3, 2, 1, 4):
            gt.set_num_threads(count)
            assert f(big)[0, 0].item() == 64
    finally:
        gt.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child() -> None:
    f = warm(lambda a: a @ a, gt.ones(64, 64))
    pid = os.fork()
    if pid == 0:
        os._exit(0 if f(gt.ones(64, 64))[0, 0].item() == 64 else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_in_another_trace_a_call_is_part_of_it() -> None:
    inner = warm(lambda a: a + 1, x())
    graph = gt.trace(lambda a: inner(a) * 2, x())
    assert [n.op.name for n in graph.nodes if n.op.name in ("add", "mul")] == ["add", "mul"]


# ---- the parts ---------------------------------------------------------------------------------------


def test_the_text_can_be_read_and_goes_with_its_function() -> None:
    quick = same_kind((x(), 2), {"k": [1.5]})
    assert quick is not None
    file = quick.__code__.co_filename  # type: ignore[attr-defined]
    assert "return (v" in linecache.getline(file, len(linecache.getlines(file)))
    del quick
    assert file not in linecache.cache


def test_what_is_long_is_looked_up() -> None:
    assert same_kind(([1] * 2000,), {}) is None
    f = warm(lambda items: items[0] * len(items), [x()] * 600)
    np.testing.assert_array_equal(f([x()] * 600).numpy(), X * 600)


def test_gather_declines_what_it_does_not_know() -> None:
    word, a = ctypes.c_int64, np.ones(4, np.float32)
    gather = ctypes.PYFUNCTYPE(word, word, word, word)(threads.pool().machine.address("gt_gather"))
    slots, plan = np.zeros(2, np.int64), plan_of([(CONTIGUOUS, 16), (CONTIGUOUS, 16)], [(0, 1)])

    def ask(*items: Any) -> bool:
        return gather(id(items), slots.ctypes.data, plan.ctypes.data) == 0

    b = np.ones(4, np.float32)
    assert ask(a, b) and slots.tolist() == [a.ctypes.data, b.ctypes.data]
    assert not ask(a)
    assert not ask(a, b, b)
    assert not ask(a, None)
    assert not ask(a, 1.0)
    assert not ask(a, np.ones(8, np.float32)[::2])
    assert not ask(a, a)
    assert not ask(a, a[1:])
    assert not ask(a, b.view(np.recarray))


def test_a_number_that_is_read_at_every_call_is_part_of_the_quick_call() -> None:
    """A training step with a learning rate: no call but the first is looked up, and each has the rate of its time."""
    weight = gt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.5)

    @gt.compile
    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = (weight * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = gt.tensor([3.0, 4.0])
    step(x)
    step(x)
    (program,) = step._order
    assert program.simple
    looked_up = []
    program.match = lambda tensors: looked_up.append(tensors)  # type: ignore[assignment, method-assign, func-returns-value]
    before = weight.tolist()
    optimizer.param_groups[0]["lr"] = 0.25
    assert step(x).item() == pytest.approx(before[0] * 3 + before[1] * 4)
    assert weight.tolist() == pytest.approx([before[0] - 0.75, before[1] - 1.0])
    assert not looked_up
