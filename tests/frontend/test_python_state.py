"""Python state that a compiled function read, changed between two calls: as in eager mode, or an error, never stale."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
import itertools
import os
import types
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.errors import RecompileWarning, TraceError
from graphtorch.nn import functional as F
from graphtorch.testing import assert_close

Namespace = types.SimpleNamespace
SCALE = 2.0


class Slots:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 1.0


@dataclasses.dataclass(slots=True)
class Config:
    scale: float = 1.0


class Scaling:
    scale = 2.0

    def method(self, x: Any) -> Any:
        return x * 2

    @staticmethod
    def static(x: Any) -> Any:
        return x * 2

    @classmethod
    def by_class(cls, x: Any) -> Any:
        return x * cls.scale

    @property
    def half(self) -> float:
        return self.scale / 2


class Sharper(nn.ReLU):
    def forward(self, x: Any) -> Any:
        return x * 11


def subclass() -> Any:
    return type("Scaling2", (Scaling,), {})


def with_default() -> Any:
    def f(x: Any, scale: float = 2.0) -> Any:
        return x * scale

    return f


def with_mutable_default() -> Any:
    def f(x: Any, options: Any = {"a": 2.0}) -> Any:  # noqa: B006  # what is tested
        return x * options["a"]

    return f


def with_attribute() -> Any:
    def f(x: Any) -> Any:
        return x * f.scale

    f.scale = 2.0
    return f


def proxied() -> Any:
    own = {"a": 1.0}
    return own, types.MappingProxyType(own)


def put(key: Any, value: Any) -> Callable[[Any], None]:
    return lambda o: o.__setitem__(key, value)


def attribute(name: str, value: Any) -> Callable[[Any], None]:
    return lambda o: setattr(o, name, value)


#: name -> (make the state, use it, change it)
CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any], Callable[[Any], None]]] = {
    "set": (lambda: {1}, lambda o, x: x * (2 if 1 in o else 3), lambda o: o.clear()),
    "deque": (lambda: collections.deque([1.0]), lambda o, x: x * o[0], put(0, 5.0)),
    "bytearray": (lambda: bytearray(b"\1"), lambda o, x: x * o[0], put(0, 5)),
    "array": (lambda: array.array("d", [1.0]), lambda o, x: x * o[0], put(0, 5.0)),
    "numpy": (lambda: np.ones(2), lambda o, x: x * float(o[1]), put(1, 5.0)),
    "mappingproxy": (proxied, lambda o, x: x * o[1]["a"], lambda o: o[0].update(a=5.0)),
    "UserDict": (lambda: collections.UserDict(a=1.0), lambda o, x: x * o["a"], put("a", 5.0)),
    "a long list": (lambda: [1.0] * 1000, lambda o, x: x * o[900], put(900, 5.0)),
    "negative zero": (lambda: [0.0], lambda o, x: 1 / (x * 0 + o[0]), put(0, -0.0)),
    "nested": (lambda: {"a": [Namespace(b=1.0)]}, lambda o, x: x * o["a"][0].b, lambda o: setattr(o["a"][0], "b", 5.0)),
    "slots": (Slots, lambda o, x: x * o.scale, attribute("scale", 5.0)),
    "a data class with slots": (Config, lambda o, x: x * o.scale, attribute("scale", 5.0)),
    "a function in an attribute": (
        lambda: Namespace(act=F.relu), lambda o, x: o.act(x), attribute("act", gt.sigmoid)),
    "a method of an object": (Scaling, lambda o, x: o.method(x), attribute("method", lambda x: x * 7)),
    "a method of a class": (
        lambda: subclass()(), lambda o, x: o.method(x),
        lambda o: setattr(type(o), "method", lambda self, x: x * 9)),
    "a static method": (
        lambda: subclass()(), lambda o, x: o.static(x),
        lambda o: setattr(type(o), "static", staticmethod(lambda x: x * 9))),
    "an attribute of a class": (subclass, lambda o, x: o.by_class(x), attribute("scale", 4.0)),
    "a property": (
        lambda: subclass()(), lambda o, x: x * o.half, lambda o: setattr(type(o), "scale", 40.0)),
    "forward of a module": (nn.ReLU, lambda o, x: o(x), attribute("forward", lambda x: x * 3)),
    "the class of a module": (nn.ReLU, lambda o, x: o(x), attribute("__class__", Sharper)),
    "defaults": (with_default, lambda o, x: o(x), attribute("__defaults__", (5.0,))),
    "code": (with_default, lambda o, x: o(x), attribute("__code__", (lambda x, scale=1: x + scale).__code__)),
    "a mutable default": (with_mutable_default, lambda o, x: o(x), lambda o: o.__defaults__[0].update(a=9.0)),
    "an attribute of a function": (with_attribute, lambda o, x: o(x), attribute("scale", 9.0)),
    "keywords of a partial": (
        lambda: functools.partial(lambda x, o: x * o["a"], o={"a": 1.0}), lambda o, x: o(x),
        lambda o: o.keywords["o"].update(a=7.0)),
    "getattr": (lambda: Namespace(scale=1.0), lambda o, x: x * getattr(o, "scale"), attribute("scale", 5.0)),  # noqa: B009
    "vars": (lambda: Namespace(scale=1.0), lambda o, x: x * vars(o)["scale"], attribute("scale", 5.0)),
    "globals": (
        lambda: globals().update(SCALE=2.0), lambda o, x: x * globals()["SCALE"],
        lambda o: globals().update(SCALE=6.0)),
    "a global": (
        lambda: globals().update(SCALE=2.0), lambda o, x: x * SCALE, lambda o: globals().update(SCALE=6.0)),
    "environ": (
        lambda: os.environ.__setitem__("GRAPHTORCH_TEST", "1"), lambda o, x: x * float(os.environ["GRAPHTORCH_TEST"]),
        lambda o: os.environ.__setitem__("GRAPHTORCH_TEST", "4")),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name: str) -> None:
    make, use, change = CHANGES[name]
    x = gt.tensor([-1.0, 2.0])

    def run(wrap: Any) -> Any:
        state = make()
        f = wrap(lambda x: use(state, x))
        before = f(x), f(x)
        change(state)
        return before, f(x), f(x)

    compiled, eager = run(gt.compile), run(lambda f: f)
    assert_close(compiled, eager, rtol=1e-6, atol=1e-6)
    assert not np.array_equal(eager[0][0].numpy(), eager[1].numpy())  # the change does make a difference


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str = "a"
    scale: float = dataclasses.field(default=1.0, compare=False)


def test_arguments_that_are_equal_and_not_the_same() -> None:
    f = gt.compile(lambda x, o: x * o.scale if isinstance(o, Frozen) else x / o)
    one = gt.ones(1)
    assert [f(one, Frozen(scale=s)).item() for s in (1.0, 4.0)] == [1.0, 4.0]
    assert [f(one, z).item() for z in (0.0, -0.0)] == [float("inf"), float("-inf")]
    assert len(f.stats) == 4
    f(one, float("nan"))
    f(one, float("nan"))
    assert len(f.stats) == 5


# ---- optimizers -----------------------------------------------------------------------------------------

Change = Callable[[Any, Any], None]
OPTIMIZERS: dict[str, Change] = {
    "state cleared": lambda net, o: o.state.clear(),
    "another state": lambda net, o: setattr(o, "state", defaultdict(dict)),
    "state of one deleted": lambda net, o: o.state.__delitem__(net.weight),
    "a tensor of the state": lambda net, o: o.state[net.weight].update(exp_avg=gt.ones(2, 2)),
    "another group": lambda net, o: o.param_groups.__setitem__(0, dict(o.param_groups[0], lr=0.01)),
    "other groups": lambda net, o: setattr(o, "param_groups", [dict(o.param_groups[0], lr=0.02)]),
    "other parameters": lambda net, o: o.param_groups[0].update(params=[net.bias, nn.Parameter(gt.ones(1))]),
    "another step": lambda net, o: setattr(o, "step", lambda: None),
    "another rate": lambda net, o: o.param_groups[0].update(lr=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_that_are_changed_from_outside(name: str) -> None:
    def run(wrap: Any) -> list[Any]:
        gt.manual_seed(0)
        net, x = nn.Linear(2, 2), gt.ones(1, 2)
        optimizer = optim.Adam(net.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = net(x).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        losses = [step(x), step(x)]
        OPTIMIZERS[name](net, optimizer)
        losses += [step(x), step(x)]
        optimizer.param_groups[0]["lr"] = 0.05
        return [*losses, step(x), step(x)]

    assert_close(run(gt.compile), run(lambda f: f), rtol=1e-5, atol=1e-6)


def test_a_schedule_does_not_step_inside() -> None:
    net, x = nn.Linear(2, 2), gt.ones(1, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    @gt.compile
    def step(x: Any) -> Any:
        loss = net(x).sum()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    with pytest.raises(TraceError, match="GT605"):
        step(x)
    assert net.weight.grad is None


# ---- what a call does beside its result -------------------------------------------------------------------


def test_modes_that_are_the_same_after_the_trace_are_set_again() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))

    @gt.compile
    def f(x: Any) -> Any:
        net.eval()
        y = net(x)
        net.train()
        return y

    f(gt.ones(2))
    net.eval()
    f(gt.ones(2))
    assert net.training


def test_seeding_inside_happens_at_every_call() -> None:
    def run(wrap: Any) -> list[Any]:
        def f(x: Any) -> Any:
            gt.manual_seed(5)
            return gt.rand(3) + x * 0

        f = wrap(f)
        return [f(gt.ones(3)), f(gt.ones(3)), gt.rand(2)]

    assert_close(run(gt.compile), run(lambda f: f), rtol=0, atol=0)


LAST: Any = None


def test_what_cannot_be_repeated_is_refused() -> None:
    def keep(x: Any) -> Any:
        global LAST
        LAST = x * 2
        return x

    numbers, seen = itertools.count(), {1}
    cases = {
        "GT611": [keep],
        "GT605": [lambda x: x * next(numbers), lambda x: x * len(seen) if seen.add(len(seen) + 5) is None else x],
        "GT612": [lambda x: Namespace(a=x * 2), lambda x: {x * 2: 1}, lambda x: [{x + 1}]],
    }
    for code, functions in cases.items():
        for f in functions:
            with pytest.raises(TraceError, match=code):
                gt.compile(f)(gt.ones(1))
    assert LAST is None and seen == {1}


def test_memory_that_cannot_be_written_is_refused_before_the_run() -> None:
    fixed = gt.from_numpy(np.frombuffer(b"\0" * 12, np.float32))

    def f(x: Any) -> Any:
        x += 1
        return x

    for x, what in ((fixed, "read-only"), (gt.zeros(1).expand(3), "shared by several")):
        with pytest.raises(TraceError, match=f"GT613: argument 0 is written in place, and its memory is {what}"):
            gt.compile(f)(x)
        assert x.tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(TraceError, match="GT613"):
        gt.compile(lambda: fixed.add_(1))()
    assert fixed.tolist() == [0.0, 0.0, 0.0]


def test_numbers_that_change_at_every_call_are_warned_of_once() -> None:
    f = gt.compile(lambda x, s: x * s)
    with pytest.warns(RecompileWarning, match=r"compiled 16 times .* gt.tensor\(0.5\)") as warned:
        assert [f(gt.ones(1), float(i)).item() for i in range(20)] == list(range(20))
    assert len(warned) == 1


# ---- compiled modules in modules ------------------------------------------------------------------------


class Parent(nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.body = wrap(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)))
        self.head = nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x))


def test_a_compiled_module_is_part_of_its_parent() -> None:
    gt.manual_seed(0)
    parent, plain = Parent(gt.compile), Parent(lambda m: m)
    assert list(parent.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(parent.state_dict())
    assert len(list(parent.parameters())) == 4
    x = gt.ones(5, 3)
    for m in (parent, plain):
        m.eval()
        m(x).sum().backward()
    assert not parent.body.training and not list(parent.body.children())[1].training
    assert_close([p.grad for p in parent.parameters()], [p.grad for p in plain.parameters()], rtol=1e-5, atol=1e-6)
    assert len(list(nn.Sequential(gt.compile(nn.Linear(2, 2)), nn.ReLU()).parameters())) == 2
    parent.body = gt.compile(nn.Linear(3, 3))
    assert set(parent.state_dict()) == {"head.weight", "head.bias", "body.weight", "body.bias"}
