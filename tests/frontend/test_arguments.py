"""What a compiled function sees of its arguments beyond shapes and numbers, and what it may do to them."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import TraceError

ONE = gt.ones(1)


# ---- containers are copies ----------------------------------------------------------------------------------


def store(d: Any) -> None:
    d["out"] = 2


def replace(d: Any) -> None:
    d["k"] = d["k"] * 2


def delete(d: Any) -> None:
    del d["k"]


#: name -> (an argument, what changes it)
MUTATIONS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "an entry": (lambda: {"k": ONE}, store),
    "another tensor": (lambda: {"k": ONE}, replace),
    "a deleted entry": (lambda: {"k": ONE}, delete),
    "append": (lambda: [ONE], lambda a: a.append(1)),
    "pop": (lambda: [ONE, ONE], lambda a: a.pop()),
    "the order": (lambda: [1, 2], lambda a: a.reverse()),
    "a nested list": (lambda: {"k": ([ONE],)}, lambda d: d["k"][0].clear()),
    "a missing entry": (lambda: collections.defaultdict(lambda: 2.0), lambda d: d["n"]),
    "the order of a dict": (lambda: collections.OrderedDict(a=1, b=2), lambda d: d.move_to_end("a")),
    "an attribute of a tensor": (lambda: gt.ones(1), lambda t: setattr(t, "seen", True)),
    "what an attribute holds": (lambda: tagged([]), lambda t: t.tag.append(1)),
}


def tagged(tag: Any) -> Any:
    t = gt.ones(1)
    t.tag = tag
    return t


@pytest.mark.parametrize("name", MUTATIONS)
def test_arguments_that_are_changed_are_refused(name: str) -> None:
    make, change = MUTATIONS[name]

    def f(x: Any, argument: Any) -> Any:
        change(argument)
        return x * 2

    with pytest.raises(TraceError, match="GT605"):
        gt.compile(f)(ONE, make())


def test_the_line_that_changes_an_argument_is_shown() -> None:
    def by_method(x: Any, a: Any) -> Any:
        y = x * 2
        a.append(y)
        return y

    def by_index(x: Any, a: Any) -> Any:
        y = x * 2
        a[0] = y
        return y

    for f, line in ((by_method, "a.append(y)"), (by_index, "a[0] = y")):
        with pytest.raises(TraceError) as caught:
            gt.compile(f)(ONE, [1])
        assert line in str(caught.value)


def test_what_is_only_read_or_made_inside_is_allowed() -> None:
    def f(x: Any, a: Any, **options: Any) -> Any:
        k = options.pop("k")
        mine = [*a]
        mine.append(x)
        a[0].add_(1)  # a tensor, not the list
        return sum(mine) * k

    a = [gt.ones(1)]
    compiled = gt.compile(f)
    assert [compiled(ONE, a, k=2).item() for _ in range(2)] == [6, 8]


# ---- classes of containers ------------------------------------------------------------------------------


class Batch(dict[str, Any]):
    pass


class Items(list[Any]):
    pass


def test_results_keep_their_classes() -> None:
    def f(x: Any) -> Any:
        counts = collections.defaultdict(list)
        counts["a"].append(x * 2)
        return collections.OrderedDict(b=x, a=x * 2), Batch(x=x), counts, Items([x])

    compiled = gt.compile(f)
    for _ in range(2):
        ordered, batch, counts, items = compiled(ONE)
        assert [type(r) for r in (ordered, batch, items)] == [collections.OrderedDict, Batch, Items]
        assert list(ordered) == ["b", "a"] and counts["new"] == [] and counts["a"][0].item() == 2
        assert batch["x"].item() == items[0].item() == 1


def test_a_result_with_a_tensor_in_an_attribute_is_refused() -> None:
    def f(x: Any) -> Any:
        out = Batch(x=x * 2)
        out.x = out["x"]
        return out

    with pytest.raises(TraceError, match=r"GT612.* Batch with a tensor"):
        gt.compile(f)(ONE)


def test_arguments_keep_their_classes_and_have_programs_of_their_own() -> None:
    f = gt.compile(
        lambda x, d: x * (d.k if isinstance(d, Batch) else 2 if isinstance(d, collections.OrderedDict) else 3)
    )
    batch = Batch(a=1)
    batch.k = 5.0
    results = [f(ONE, d).item() for d in ({"a": 1}, collections.OrderedDict(a=1), batch)]
    batch.k = 7.0
    assert [*results, f(ONE, batch).item()] == [3, 2, 5, 7]
    g = gt.compile(lambda x, d: x * (2 if "a" in d and d.default_factory is int else 3))
    assert [g(ONE, collections.defaultdict(kind, a=1)).item() for kind in (int, list)] == [2, 3]
    h = gt.compile(lambda x, d: x * (2 if isinstance(next(iter(d)), bool) else 3))
    assert [h(ONE, d).item() for d in ({1: 0}, {True: 0})] == [3, 2]


# ---- tensors ------------------------------------------------------------------------------------------


def test_parameters_are_parameters() -> None:
    f = gt.compile(lambda w: w * (2 if isinstance(w, nn.Parameter) else 3))
    assert [f(nn.Parameter(gt.ones(1))).item(), f(gt.ones(1, requires_grad=True)).item()] == [2, 3]


def test_the_layout_of_an_argument() -> None:
    def f(x: Any) -> Any:
        return x * (2 if x.is_contiguous() else 3), x.stride(), x.stride(0), x.storage_offset()

    compiled = gt.compile(f)
    base = gt.ones(3, 3)
    for x in (gt.ones(3, 3), base.t(), gt.ones(4, 3)[1:], gt.ones(3, 1).expand(3, 3), base.t()):
        (y, *facts), (expected, *of_eager) = compiled(x), f(x)
        assert y.tolist() == expected.tolist() and facts == of_eager
    assert len(compiled.stats) == 4


def test_layouts_that_nobody_asks_for_share_a_program() -> None:
    f = gt.compile(lambda x: x.contiguous() * 2)
    assert f(gt.ones(2, 2)).tolist() == f(gt.ones(2, 2).t()).tolist()
    assert len(f.stats) == 1


def test_the_layout_of_a_view_is_refused() -> None:
    with pytest.raises(TraceError, match="GT601: the layout of a view"):
        gt.compile(lambda x: x * (2 if x.t().is_contiguous() else 3))(gt.ones(2, 3))
    assert gt.compile(lambda x: x * (2 if (x + 1).is_contiguous() else 3))(ONE).item() == 2


def test_attributes_that_the_user_put_on_an_argument() -> None:
    f = gt.compile(lambda x: x * (x.tag if hasattr(x, "tag") else 2))
    assert [f(t).item() for t in (ONE, tagged(3.0), tagged(4.0), ONE, tagged(3.0))] == [2, 3, 4, 2, 3]
    assert len(f.stats) == 3
    g = gt.compile(lambda x: x * x.tag.scale * x.tag.items[0])
    tag = types.SimpleNamespace(scale=2.0, items=[1.0])
    x = tagged(tag)
    assert g(x).item() == 2
    tag.scale = 3.0
    assert g(x).item() == 3
    tag.items[0] = 2.0
    assert g(x).item() == 6
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'tag'"):
        g(ONE)
