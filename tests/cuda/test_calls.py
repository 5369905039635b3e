"""What a call of a program costs the driver: a step that is like the last one is one launch of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.runtime import cuda, cuda_driver
from graphtorch.runtime.cuda_executable import CudaExecutable

pytestmark = pytest.mark.gpu


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Calls of the driver by name, pycuda's included: copies, launches, events, what is waited for, memory."""
    if not gt.cuda.is_available():
        pytest.skip(f"no GPU: {gt.cuda.why_unavailable()}")
    found: Counter[str] = Counter()

    def of(function: Any, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            found[args[0] if name == "call" else name] += 1
            return function(*args, **kwargs)

        return call

    for owner, names in (
        (cuda_driver, ("call",)),
        (cuda.Gpu, ("launch", "upload", "download", "copy", "pinned")),
        (cuda.Stream, ("synchronize", "query", "wait_event")),
        (cuda.Event, ("__init__", "record", "synchronize", "query")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, of(getattr(owner, name), name))
    yield found


def net_and_step() -> Any:
    net = nn.Sequential(nn.Linear(33, 70), nn.ReLU(), nn.Linear(70, 90), nn.ReLU(), nn.Linear(90, 7)).to("cuda")
    optimizer, loss_fn = gt.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), nn.CrossEntropyLoss()

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return net, step


def recordings(step: Any) -> int:
    (program,) = step._order
    assert isinstance(program.forward, CudaExecutable)
    return sum(r is not None for r in program.forward._recordings.values())


def batch() -> tuple[gt.Tensor, gt.Tensor]:
    return gt.randn(19, 33).to("cuda"), gt.randint(0, 7, (19,)).to("cuda")


def test_a_step_like_the_last_is_one_launch(counted: Counter[str]) -> None:
    _, step = net_and_step()
    x, y = batch()
    for _ in range(6):
        loss = step(x, y)
    gt.cuda.synchronize()
    counted.clear()
    for _ in range(5):
        loss = step(x, y)
    assert counted == {"cuGraphLaunch": 5}
    assert recordings(step) == 2  # the results of one call replace those of the one before the last
    assert loss.isfinite().item()


def test_a_step_on_batches_of_their_own_copies_these(counted: Counter[str]) -> None:
    _, step = net_and_step()
    batches = [batch() for _ in range(3)]
    for i in range(6):
        step(*batches[i % 3])
    counted.clear()
    for i in range(6):
        step(*batches[i % 3])
    assert counted == {"cuGraphLaunch": 6, "copy": 12} and recordings(step) == 2


def test_results_that_are_all_kept_are_copied_out(counted: Counter[str]) -> None:
    """And stay what they were."""
    step = gt.compile(lambda x: x.sum(0) * 2)
    x, kept = gt.ones(5, 3, device="cuda"), []
    for i in range(12):
        x.fill_(float(i))
        kept.append(step(x))
    counted.clear()
    kept.append(step(x))
    assert counted == {"cuGraphLaunch": 1, "copy": 1}
    assert [k.tolist() for k in kept] == [[10.0 * i] * 3 for i in (*range(12), 11)]


def test_an_argument_that_moves_now_and_then_is_soon_copied_always() -> None:
    """There would be a recording for each address."""
    step = gt.compile(lambda x: x * 2 + 1)
    places = [gt.full((40, 3), float(i), device="cuda") for i in range(30)]
    for i, x in enumerate(places):
        for _ in range(3):
            assert (step(x) == 2 * i + 1).all().item()
    (program,) = step._order
    inputs = program.forward._inputs
    assert inputs.put([places[3]._data])[0] == inputs.put([places[3]._data])[0] == [inputs._own[0].address]


def test_results_may_be_arguments_of_the_next_call() -> None:
    """Their memory is nobody else's while they are read."""
    step = gt.compile(lambda h, x: (h * 0.5 + x, h.sum()))
    h, want = gt.zeros(50, device="cuda"), 0.0
    x = gt.ones(50, device="cuda")
    for _ in range(9):
        h, total = step(h, x)
        assert total.item() == 50 * want
        want = want * 0.5 + 1
        assert h.tolist() == [want] * 50


def test_streams_have_results_of_their_own() -> None:
    step, x = gt.compile(lambda x: x + 1), gt.zeros(64, device="cuda")
    side = gt.cuda.Stream()
    first = [step(x) for _ in range(2)]
    side.wait_stream(gt.cuda.current_stream())
    places = {r.data_ptr() for r in first}
    del first
    with gt.cuda.stream(side):
        assert step(x).data_ptr() not in places
    gt.cuda.synchronize()
