"""contiguous() and reshape() of views that are written: a copy where eager mode makes one, compiled as eager and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt


def _read_after(s: Any) -> Any:
    c = s.t().contiguous()
    s.add_(10.0)
    return c + 0


def _written(s: Any) -> Any:
    c = s.t().contiguous()
    c.add_(10.0)
    return c + 0


def _view_of_it_written(s: Any) -> Any:
    c = s.t().contiguous()
    c.view(-1)[1:3].add_(10.0)
    return c + 0


def _view_of_it_read(s: Any) -> Any:
    c = s.t().contiguous()
    v = c.view(-1)[1:3]
    c.mul_(2.0)
    return v + 0


def _dense(s: Any) -> Any:
    c = s.view(-1).contiguous()
    c[1:3].mul_(2.0)
    s.add_(1.0)
    return c + 0


def _rows(s: Any) -> Any:
    c = s[1:].contiguous()
    c.zero_()
    return c + 1


def _columns(s: Any) -> Any:
    c = s[:, 1:].contiguous()
    c.zero_()
    return c + 1


def _twice(s: Any) -> Any:
    c = s.t().contiguous()
    d = c.t().contiguous()
    c.add_(1.0)
    d.add_(100.0)
    return c + d.t()


def _reshaped(s: Any) -> Any:
    r = s.t().reshape(-1)
    r[:2].add_(10.0)
    return r + 0


def _reshaped_read(s: Any) -> Any:
    r = s.t().reshape(-1)
    v, w = r[:2], r.view(3, 2)[1]
    r.add_(10.0)
    w.mul_(2.0)
    s.sub_(1.0)
    return v.sum() + r


CASES: list[Callable[[Any], Any]] = [
    _read_after, _written, _view_of_it_written, _view_of_it_read, _dense, _rows, _columns, _twice, _reshaped,
    _reshaped_read,
]  # fmt: skip


def _data() -> Any:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def _of_torch(f: Any) -> list[Any]:
    torch = pytest.importorskip("torch")
    s = torch.from_numpy(_data())
    return [f(s).tolist(), s.tolist()]


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_of_state_of_arguments_and_of_what_is_computed(f: Callable[[Any], Any]) -> None:
    wanted = _of_torch(f)

    def computed(x: Any) -> Any:
        s = x * 1
        return f(s), s + 0

    for wrap in (lambda f: f, gt.compile):
        state = gt.from_numpy(_data()).clone()
        out = wrap(lambda x, state=state: f(state) + x)(gt.zeros(1))
        assert [out.tolist(), state.tolist()] == wanted
        argument = gt.from_numpy(_data()).clone()
        assert [wrap(f)(argument).tolist(), argument.tolist()] == wanted
        assert [t.tolist() for t in wrap(computed)(gt.from_numpy(_data()))] == wanted


def test_programs_for_arguments_that_lie_otherwise() -> None:
    f = gt.compile(_read_after)
    for _ in range(2):
        for make in (lambda: gt.from_numpy(_data()).clone(), lambda: gt.from_numpy(_data().T.copy()).t()):
            x, y = make(), make()
            assert f(x).tolist() == _read_after(y).tolist()
            assert x.tolist() == y.tolist()


def test_gradients_pass_through_the_copy() -> None:
    def step(w: Any) -> Any:
        base = w * 1
        c = base.t().contiguous()
        c[0].mul_(3.0)
        base.add_(w)
        return (c * c).sum() + base.sum()

    found = []
    for wrap in (lambda f: f, gt.compile):
        w = gt.from_numpy(_data()).clone().requires_grad_()
        wrap(step)(w).backward()
        found.append(w.grad.tolist())
    assert found[0] == found[1]
    assert found[0] == [[18.0 * 0 + 2, 2.0 * 1 + 2, 2.0 * 2 + 2], [18.0 * 3 + 2, 2.0 * 4 + 2, 2.0 * 5 + 2]]
