"""What an error inside of a module says: path, the user's line, and the line of the constructor."""

from __future__ import annotations

import inspect

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.ir.errors import ShapeError

FILE = "test_nn_errors.py"


class Net(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
        self.more = nn.Sequential(
            nn.Sequential(
                nn.Identity(),
                nn.Conv2d(channels, 8, 5),
            )
        )

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = self.features(x)
        return self.more(x)


class Direct(nn.Module):
    def forward(self, x: gt.Tensor) -> gt.Tensor:
        return gt.matmul(x, x)


def _line(function: object, text: str) -> tuple[int, str]:
    """The number of the line of ``function`` that contains ``text``, and the line."""
    lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]
    at = next(i for i, line in enumerate(lines) if text in line)
    return first + at, lines[at].strip()


def test_nested_module() -> None:
    called, call = _line(Net, "return self.more(x)")
    made, constructor = _line(Net, "nn.Conv2d(channels, 8, 5)")
    with pytest.raises(ShapeError) as wrong:
        Net(32)(gt.zeros(2, 3, 9, 11))
    assert str(wrong.value).split("\n") == [
        'ShapeError GT102 in conv2d "more.0.1": input channels do not match the weight',
        f"  {f'{FILE}:{called}':<14} {call}",
        f"  {f'{FILE}:{made}':<14} {constructor}          <- constructed here",
        '  input  f32[2,16,7,9]   (from relu "features.1")',
        "  weight f32[8,32,5,5]",
        "  bias   f32[8]",
        "  expected 32 input channels (groups=1), got 16",
        "  fix: nn.Conv2d(16, 8, 5)",
    ]


def test_user_module_is_constructed_where_the_user_does_it() -> None:
    number = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
    net = Direct()
    assert (net._created_at.line, net._created_at.source()) == (number, "net = Direct()")  # type: ignore[union-attr]
    called, call = _line(Direct, "gt.matmul")
    with pytest.raises(ShapeError) as wrong:
        nn.Sequential(nn.Identity(), net)(gt.zeros(2, 3))
    assert str(wrong.value).split("\n")[:3] == [
        'ShapeError GT109 in matmul "1": [2, 3] and [2, 3] cannot be multiplied',
        f"  {f'{FILE}:{called}':<14} {call}",
        f"  {f'{FILE}:{number}':<14} net = Direct()          <- constructed here",
    ]


def test_subclass_of_a_subclass_and_super_last() -> None:
    class Base(nn.Module):
        def __init__(self) -> None:
            super().__init__()

    class Derived(Base):
        def __init__(self) -> None:
            super().__init__()

    number = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
    assert Derived()._created_at.line == number  # type: ignore[union-attr]


def test_check_of_the_module_itself() -> None:
    net = nn.Sequential(nn.Identity(), nn.BatchNorm2d(4))
    with pytest.raises(ShapeError) as wrong:
        net(gt.zeros(2, 4))
    lines = str(wrong.value).split("\n")
    assert lines[0] == 'ShapeError GT107 in BatchNorm2d "1": input must be [n, c, h, w]'
    assert lines[1].endswith("net(gt.zeros(2, 4))")
    assert lines[2].endswith("net = nn.Sequential(nn.Identity(), nn.BatchNorm2d(4))          <- constructed here")
    assert lines[3].startswith("  input f32[2,4]")
    assert lines[4] == "  expected 4 dimensions, got 2"


def test_scope_is_restored_after_an_error() -> None:
    from graphtorch.ir.loc import state

    with pytest.raises(ShapeError):
        Net(32)(gt.zeros(2, 3, 9, 11))
    assert state.scope is None


def test_a_layer_in_a_list_has_its_path() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(3, 4), nn.Sequential(nn.Linear(5, 6))])

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    for run in (Net(), gt.compile(Net())):
        with pytest.raises(ShapeError, match=r'GT109 in linear "layers.1.0"'):
            run(gt.zeros(2, 3))
