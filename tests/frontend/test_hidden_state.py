"""State that is not read as an attribute or an entry: as in eager mode after a change, or refused, never stale."""

from __future__ import annotations

import contextvars
import ctypes
import functools
import itertools
import operator
import os
import secrets
import threading
import types
import uuid
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import Tensor, nn
from graphtorch.errors import ArgumentTypeError, TraceError

ONE = gt.ones(1)


# ---- modules, read past getattr ---------------------------------------------------------------------------


class Scaled(nn.Module):
    scale = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.k = 2.0
        self.inner = nn.Identity()


def helper(module: Any) -> float:
    return float(type(module).scale)


#: how the class is read, and how the module's own dictionary
OF_CLASS: dict[str, Callable[[Any, Any], Any]] = {
    "__class__": lambda self, x: x * self.__class__.scale,
    "type": lambda self, x: x * type(self).scale,
    "type in a helper": lambda self, x: x * helper(self),
    "vars of the class": lambda self, x: x * vars(type(self))["scale"],
}
OF_DICTIONARY: dict[str, Callable[[Any, Any], Any]] = {
    "vars": lambda self, x: x * vars(self)["k"],
    "__dict__": lambda self, x: x * self.__dict__["k"],
    "object": lambda self, x: x * object.__getattribute__(self, "k"),
    "a name that is computed": lambda self, x: x * vars(self)["".join(["k"])],
    "absent at first": lambda self, x: x * self.__dict__.get("later", 2.0),
}


def scaled(forward: Any) -> tuple[type[Scaled], Any]:
    cls = type("Own", (Scaled,), {"forward": forward, "scale": 2.0})
    return cls, cls()


@pytest.mark.parametrize("name", OF_CLASS)
def test_the_class_of_a_module(name: str) -> None:
    cls, module = scaled(OF_CLASS[name])
    compiled = gt.compile(module)
    assert compiled(ONE).item() == 2
    cls.scale = 5.0
    assert compiled(ONE).item() == 5
    cls.scale = 2.0
    assert compiled(ONE).item() == 2
    assert len(compiled.stats) == 2


def test_the_class_of_a_child() -> None:
    _, module = scaled(lambda self, x: x * sum(type(m).scale for m in self.parts))
    cls, part = scaled(lambda self, x: x)
    module.parts = nn.ModuleList([part])
    compiled = gt.compile(module)
    assert compiled(ONE).item() == 2
    cls.scale = 5.0
    assert compiled(ONE).item() == 5


@pytest.mark.parametrize("name", OF_DICTIONARY)
def test_the_dictionary_of_a_module(name: str) -> None:
    _, module = scaled(OF_DICTIONARY[name])
    compiled = gt.compile(module)
    assert [compiled(ONE).item() for _ in range(2)] == [2, 2]
    assert len(compiled.stats) == 1
    vars(module).update(k=5.0, later=5.0)  # no assignment that anything is told of
    assert compiled(ONE).item() == 5


def test_a_class_that_counts_is_refused_and_given_back() -> None:
    def forward(self: Any, x: Any) -> Any:
        type(self).scale += 1
        return x * type(self).scale

    cls, module = scaled(forward)
    with pytest.raises(TraceError, match=r"GT605[\s\S]*changed while tracing: .*scale"):
        gt.compile(module)(ONE)
    assert cls.scale == 2


def test_state_beside_its_dictionary() -> None:
    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.h = gt.zeros(1)

        def forward(self, x: Any) -> Any:
            h = vars(self)["h"]
            self.h = h + x
            return self.h * 1

    module = Running()
    compiled = gt.compile(module)
    assert [compiled(ONE).item() for _ in range(4)] == [1, 2, 3, 4]
    assert len(compiled.stats) == 1


def test_a_tensor_put_into_a_dictionary_by_hand_is_refused() -> None:
    def forward(self: Any, x: Any) -> Any:
        self.__dict__["kept"] = x * 2
        return x

    _, module = scaled(forward)
    with pytest.raises(TraceError, match="GT611"):
        gt.compile(module)(ONE)
    assert "kept" not in vars(module)


def test_state_that_requires_gradients_says_what_to_write() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.h = nn.Linear(2, 2), gt.zeros(1, 2)

        def forward(self, x: Any) -> Any:
            self.h = gt.tanh(self.cell(x) + self.h.detach())
            return self.h

    with pytest.raises(TraceError, match=r"GT605[\s\S]*requires gradients; write self\.h = h\.detach\(\)"):
        gt.compile(Recurrent())(gt.ones(1, 2))


# ---- attributes of tensors ------------------------------------------------------------------------------


def test_classes_that_are_watched_may_be_named() -> None:
    f = gt.compile(lambda x: x * (2 if isinstance(x, Tensor) and x.requires_grad and x.is_leaf else 3))
    assert [f(gt.ones(1, requires_grad=grad)).item() for grad in (True, False)] == [2, 3]


def test_attributes_put_on_tensors_from_outside() -> None:
    t, module = gt.ones(1), nn.Linear(1, 1)
    t.scale = module.weight.scale = 2.0
    f = gt.compile(lambda x: x * t.scale * module.weight.scale * (3 if hasattr(t, "more") else 1))
    assert f(ONE).item() == 4
    t.scale = 5.0
    assert f(ONE).item() == 10
    module.weight.scale = 1.0
    assert f(ONE).item() == 5
    t.more = True
    assert f(ONE).item() == 15


# ---- iterators --------------------------------------------------------------------------------------------

TELLING: dict[str, Callable[[], Any]] = {
    "zip": lambda: zip([1.0, 2.0], strict=False),
    "enumerate": lambda: enumerate([1.0, 2.0]),
    "map": lambda: map(float, [1, 2]),
    "filter": lambda: filter(None, [1.0, 2.0]),
    "count": lambda: itertools.count(1),
    "repeat": lambda: itertools.repeat(2.0, 5),
}
OPAQUE: dict[str, Callable[[], Any]] = {
    "cycle": lambda: itertools.cycle([1.0, 2.0]),
    "chain": lambda: itertools.chain([1.0, 2.0]),
    "islice": lambda: itertools.islice([1.0, 2.0], 2),
    "in an object": lambda: itertools.cycle([1.0, 2.0]),
}


@pytest.mark.parametrize("name", {**TELLING, **OPAQUE})
def test_iterators_that_are_gone_on_with_are_refused(name: str) -> None:
    state = types.SimpleNamespace(it={**TELLING, **OPAQUE}[name]())
    it = state.it

    def f(x: Any) -> Any:
        found = next(state.it) if name == "in an object" else next(it)
        return x * (found[-1] if isinstance(found, tuple) else found)

    with pytest.raises(TraceError, match="GT605") as caught:
        gt.compile(f)(ONE)
    assert name not in OPAQUE or "next(it)" in str(caught.value)


def test_iterators_that_stay_are_allowed() -> None:
    pairs, n = zip([1.0], strict=True), itertools.count(1)
    f = gt.compile(lambda x: x * (2 if isinstance(pairs, zip) and n is not None else 3))
    assert [f(ONE).item() for _ in range(2)] == [2, 2]
    next(n)
    assert f(ONE).item() == 2
    g = gt.compile(lambda x: x * sum(itertools.chain([1.0], itertools.islice(itertools.cycle([2.0]), 2))))
    assert [g(ONE).item() for _ in range(2)] == [5, 5]


# ---- opaque holders ---------------------------------------------------------------------------------------


class Node:
    v = 2.0


def of_attrgetter() -> Any:
    node, get = Node(), operator.attrgetter("v")
    return lambda x: x * get(node), lambda: setattr(node, "v", 5.0)


def of_thread() -> Any:
    local = threading.local()
    local.s = 2.0
    return lambda x: x * local.s, lambda: setattr(local, "s", 5.0)


def of_reference() -> Any:
    node = Node()
    ref = weakref.ref(node)
    return lambda x: x * ref().v, lambda: setattr(node, "v", 5.0)


def of_weak_keys() -> Any:
    node, table = Node(), weakref.WeakKeyDictionary()
    table[node] = 2.0
    return lambda x: x * table[node], lambda: table.__setitem__(node, 5.0)


def of_weak_values() -> Any:
    one, other = Node(), Node()
    other.v = 5.0
    table = weakref.WeakValueDictionary(a=one)
    return lambda x: x * table["a"].v, lambda one=one: table.__setitem__("a", other)


def of_context() -> Any:
    variable = contextvars.ContextVar("variable", default=2.0)
    return lambda x: x * variable.get(), lambda: variable.set(5.0)


def of_ctypes() -> Any:
    array = (ctypes.c_float * 1)(2.0)
    return lambda x: x * array[0], lambda: array.__setitem__(0, 5.0)


@pytest.mark.parametrize(
    "make", [of_attrgetter, of_thread, of_reference, of_weak_keys, of_weak_values, of_context, of_ctypes]
)
def test_what_opaque_holders_hold(make: Any) -> None:
    function, change = make()
    f = gt.compile(function)
    assert [f(ONE).item() for _ in range(2)] == [2, 2]
    assert len(f.stats) == 1
    change()
    assert f(ONE).item() == 5


def test_a_context_that_holds_nothing() -> None:
    variable: Any = contextvars.ContextVar("empty")
    f = gt.compile(lambda x: x * variable.get(3.0))
    assert f(ONE).item() == 3
    variable.set(7.0)
    assert f(ONE).item() == 7


@pytest.mark.parametrize("size", [None, 4])
def test_a_cache_is_not_left_with_a_tensor_of_the_trace(size: int | None) -> None:
    @functools.lru_cache(size)
    def mask(n: int) -> Any:
        return gt.ones(n) * 2

    @functools.lru_cache(size)
    def number(n: int) -> int:
        return n * 2

    f = gt.compile(lambda x: x * mask(3))
    with pytest.raises(TraceError, match=r"GT611.* the cache of mask"):
        f(gt.ones(3))
    assert mask(3).tolist() == [2, 2, 2]
    assert f(gt.ones(3)).tolist() == [2, 2, 2]  # it was filled outside
    assert gt.compile(lambda x: x * number(3))(ONE).item() == 6


# ---- random sources ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda: np.random.default_rng().random(),
        lambda: np.random.RandomState().rand(),
        lambda: os.urandom(1)[0],
        lambda: secrets.randbelow(5),
        lambda: uuid.uuid4().int % 5,
    ],
)
def test_fresh_random_sources_are_refused(draw: Callable[[], float]) -> None:
    with pytest.raises(TraceError, match="GT609") as caught:
        gt.compile(lambda x: x * float(draw()))(ONE)
    assert "lambda: " in str(caught.value)


def test_a_fresh_source_with_a_seed_gives_the_same_at_every_call() -> None:
    f = gt.compile(lambda x: x * float(np.random.default_rng(0).random()))
    assert f(ONE).item() == f(ONE).item() == np.float32(np.random.default_rng(0).random())


# ---- the grad mode ----------------------------------------------------------------------------------------


def test_a_grad_mode_that_is_left_changed_is_refused() -> None:
    def f(x: Any) -> Any:
        gt.set_grad_enabled(False)
        return x * 2

    for _ in range(2):
        with pytest.raises(TraceError, match=r"GT605[\s\S]*gt\.set_grad_enabled\(False\)\n.*the grad mode"):
            gt.compile(f)(ONE)
        assert gt.is_grad_enabled()

    def fails(x: Any) -> Any:
        gt.set_grad_enabled(False)
        return x.item()

    with pytest.raises(TraceError, match="GT601"):
        gt.compile(fails)(ONE)
    assert gt.is_grad_enabled()


def test_a_grad_mode_that_is_given_back_is_allowed() -> None:
    def f(x: Any) -> Any:
        with gt.set_grad_enabled(False):
            y = x * 2
        return x * y

    x = gt.ones(1, requires_grad=True)
    gt.compile(f)(x).backward()
    assert x.grad.item() == 2


# ---- what is returned -------------------------------------------------------------------------------------

HIDING: dict[str, Callable[[Any], Any]] = {
    "an iterator": lambda x: iter([x * 2]),
    "an iterator of nothing": lambda x: iter([1, 2]),
    "a generator": lambda x: (x * i for i in range(2)),
    "a view of a dict": lambda x: {"a": x * 2}.values(),
    "a map": lambda x: map(x.__mul__, [1]),
    "a closure": lambda x: lambda: x * 2,
    "a default": lambda x: lambda y=x * 2: y,
    "a partial": lambda x: functools.partial(gt.add, x * 2),
    "a method": lambda x: (x * 2).sum,
    "a set in an object": lambda x: types.SimpleNamespace(a={x * 2}),
    "in a tuple": lambda x: (x, [{"a": {"b": x * 2}.items()}]),
    "a module": lambda x: nn.Sequential(nn.Linear(1, 1)),
    "a set in dicts": lambda x: {1: {2: {x}}},
}


@pytest.mark.parametrize("name", HIDING)
def test_results_that_hide_a_tensor_are_refused(name: str) -> None:
    with pytest.raises(TraceError, match="GT612"):
        gt.compile(HIDING[name])(ONE)


def test_results_that_hide_nothing_are_allowed() -> None:
    outside = gt.ones(1)
    f = gt.compile(lambda x: (x * 2, functools.partial(gt.add, outside), frozenset((1,)), lambda: outside))
    for _ in range(2):
        y, partial, ones, closure = f(ONE)
        assert (y.item(), partial(1).item(), ones, closure() is outside) == (2, 2, {1}, True)


# ---- what cannot be compiled ------------------------------------------------------------------------------


def generator(x: Any) -> Any:
    yield x


async def coroutine(x: Any) -> Any:
    return x


class Generating(nn.Module):
    def forward(self, x: Any) -> Any:
        yield x


class Callable_:
    def __call__(self, x: Any) -> Any:
        yield x


@pytest.mark.parametrize("target", [generator, coroutine, functools.partial(generator), Generating(), Callable_()])
def test_functions_without_a_result_are_refused(target: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"GT301.* generator or async function"):
        gt.compile(target)
