"""Arguments of layers: what torch can build and run is built, and anything else is refused by the constructor."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import GraphTorchError

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

Args = tuple[list[Any], dict[str, Any], list[tuple[int, ...]]]
SPATIAL = (9, 10, 11)
TIMES = 40


class Draw:
    """Arguments, most of them legal."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def rarely(self, chance: float = 0.2) -> bool:
        return self.random.random() < chance

    def one(self, *values: Any) -> Any:
        return self.random.choice(values)

    def count(self) -> Any:
        return self.one(0, -1, 2.5, "3", None, True) if self.rarely() else self.one(1, 2, 3, 4, 6, 8)

    def size(self, rank: int, least: int = 1) -> Any:
        """A number, or one for each dimension; or too many, too small, or no numbers."""
        if self.rarely(0.5):
            return self.one(least - 1, 1.5, "2", None) if self.rarely() else self.one(least, least + 1, least + 2)
        length = self.one(rank + 1, rank + 2) if self.rarely() else rank
        wrong = self.rarely()
        return tuple(self.one(least - 1, 1.5) if wrong else self.one(least, least + 1) for _ in range(length))

    def some(self, **given: Callable[[], Any]) -> dict[str, Any]:
        return {name: make() for name, make in given.items() if self.rarely(0.4)}


def conv(d: Draw, rank: int) -> Args:
    channels = d.count()
    given = d.some(
        stride=lambda: d.size(rank),
        padding=lambda: d.one("same", "valid", "full") if d.rarely() else d.size(rank, 0),
        dilation=lambda: d.size(rank),
        groups=d.count,
        padding_mode=lambda: d.one("zeros", "reflect", "replicate", "circular", "none"),
    )
    return [channels, d.count(), d.size(rank)], given, [(2, channels, *SPATIAL[:rank])]


def transposed(d: Draw, rank: int) -> Args:
    channels, sizes = d.count(), {"padding": 0, "output_padding": 0, "stride": 1, "dilation": 1}
    given = d.some(groups=d.count, **{name: lambda least=least: d.size(rank, least) for name, least in sizes.items()})
    return [channels, d.count(), d.size(rank)], given, [(2, channels, *SPATIAL[:rank])]


def average(d: Draw, rank: int) -> Args:
    return [d.size(rank)], d.some(stride=lambda: d.size(rank), padding=lambda: d.size(rank, 0)), pooled(rank)


def maximum(d: Draw, rank: int) -> Args:
    given = d.some(stride=lambda: d.size(rank), padding=lambda: d.size(rank, 0))
    return [d.size(rank)], given, pooled(rank)


def adaptive(d: Draw, rank: int) -> Args:
    return [(None, *[2] * (rank - 1)) if rank > 1 and d.rarely() else d.size(rank, 0)], {}, pooled(rank)


def pooled(rank: int) -> list[tuple[int, ...]]:
    return [(2, 3, *SPATIAL[:rank])]


def dropout(d: Draw, rank: int) -> Args:
    return [d.one(-0.1, 1.1, "a", None) if d.rarely(0.4) else d.one(0, 0.3, 1.0)], {}, pooled(rank)


def normalized(d: Draw, rank: int) -> Args:
    channels = d.count()
    return [channels], {}, [(2, channels, *SPATIAL[:rank])]


def linear(d: Draw, _: int) -> Args:
    features = d.count()
    return [features, d.count()], {}, [(5, features)]


def bilinear(d: Draw, _: int) -> Args:
    one, two = d.count(), d.count()
    return [one, two, d.count()], {}, [(5, one), (5, two)]


def groups(d: Draw, _: int) -> Args:
    channels = d.count()
    return [d.count(), channels], {}, [(2, channels, 5)]


def padded(d: Draw, rank: int) -> Args:
    many = tuple(d.one(0, 1, 2) for _ in range(2 * rank))
    return [d.one(1, 2, 0, many, many[1:], 1.5, None, "a")], {}, pooled(rank)


def blocks(d: Draw, _: int) -> Args:
    given = d.some(stride=lambda: d.size(2), padding=lambda: d.size(2, 0), dilation=lambda: d.size(2))
    return [d.size(2)], given, pooled(2)


def resized(d: Draw, _: int) -> Args:
    given = {"size": d.one(None, 4, (4, 7), 0, -1), "scale_factor": d.one(None, 2, 0.5, -1.0, (2.0, 1.5))}
    modes = d.one("nearest", "bilinear", "bicubic", "area", "none")
    return [], {**given, "mode": modes, **d.some(align_corners=lambda: d.one(True, False))}, pooled(2)


def recurrent(d: Draw, _: int) -> Args:
    features = d.count()
    given = d.some(
        num_layers=lambda: d.one(0, -1, 1.5) if d.rarely() else d.one(1, 2),
        bias=lambda: d.one(True, False, 0.5),
        batch_first=lambda: d.one(True, False, None),
        dropout=lambda: d.one(0, 0.3, 1.5, "a"),
        bidirectional=lambda: d.one(True, False),
    )
    return [features, d.count()], given, [(4, 3, features)]


def projecting(d: Draw, rank: int) -> Args:
    args, given, shapes = recurrent(d, rank)
    return args, given | d.some(proj_size=lambda: d.one(0, 1, 2, 5, -1, "a")), shapes


def elman(d: Draw, rank: int) -> Args:
    args, given, shapes = recurrent(d, rank)
    return args, given | d.some(nonlinearity=lambda: d.one("tanh", "relu", "sine")), shapes


def cell(d: Draw, _: int) -> Args:
    features = d.count()
    return [features, d.count()], d.some(bias=lambda: d.one(True, False)), [(4, features)]


def transforming(d: Draw, _: int) -> Args:
    width = d.count()
    given = d.some(
        dim_feedforward=d.count,
        dropout=lambda: d.one(0, 0.3, 1.5),
        activation=lambda: d.one("relu", "gelu", "tanh"),
        batch_first=lambda: d.one(True, False),
        norm_first=lambda: d.one(True, False),
        bias=lambda: d.one(True, False),
    )
    return [width, d.one(1, 2, 3, 0, -1)], given, [(4, 3, width)]


def attending(d: Draw, rank: int) -> Args:
    args, given, shapes = transforming(d, rank)
    return args, given, shapes * 2


def number(*values: Any) -> Callable[[Draw, int], Args]:
    return lambda d, _: ([d.one(*values)], {}, [(4, 6)])


RANKED: dict[str, tuple[Callable[[Draw, int], Args], tuple[int, ...]]] = {
    "Conv": (conv, (1, 2, 3)), "ConvTranspose": (transposed, (1, 2, 3)), "AvgPool": (average, (1, 2, 3)),
    "MaxPool": (maximum, (1, 2, 3)), "AdaptiveAvgPool": (adaptive, (1, 2, 3)), "AdaptiveMaxPool": (adaptive, (1, 2, 3)),
    "Dropout": (dropout, (1, 2, 3)), "BatchNorm": (normalized, (1, 2, 3)), "InstanceNorm": (normalized, (1, 2, 3)),
    "ReflectionPad": (padded, (1, 2, 3)), "ReplicationPad": (padded, (1, 2, 3)), "ZeroPad": (padded, (1, 2, 3)),
    "CircularPad": (padded, (1, 2, 3)),
}  # fmt: skip
LAYERS: dict[str, tuple[Callable[[Draw, int], Args], int]] = {
    "Linear": (linear, 0), "Bilinear": (bilinear, 0), "GroupNorm": (groups, 0), "Unfold": (blocks, 0),
    "Upsample": (resized, 0), "Dropout": (dropout, 2), "AlphaDropout": (dropout, 2),
    "TransformerEncoderLayer": (transforming, 0), "TransformerDecoderLayer": (attending, 0),
    "LSTM": (projecting, 0), "GRU": (recurrent, 0), "RNN": (elman, 0),
    "LSTMCell": (cell, 0), "GRUCell": (cell, 0), "RNNCell": (cell, 0),
    "CELU": (number(0.5, -1.0, 0.0, None), 0), "ELU": (number(0.5, -1.0, "a"), 0), "PReLU": (number(1, 0, -1, 1.5), 0),
    "Softshrink": (number(0.5, 0.0, -0.5, "a"), 0), "LeakyReLU": (number(0.1, 0, "a", None), 0),
} | {f"{name}{rank}d": (make, rank) for name, (make, ranks) in RANKED.items() for rank in ranks}  # fmt: skip


def stricter(args: list[Any], given: dict[str, Any]) -> bool:
    """What torch lets pass and graphtorch does not: sizes of 0, negative paddings, numbers in other types."""
    values = [x for v in (*args, *given.values()) for x in (v if isinstance(v, tuple) else (v,))]
    return any(isinstance(x, bool) for x in args) or any(
        isinstance(x, int | float) and not isinstance(x, bool) and x <= 0 for x in values
    )


def laxer(args: list[Any], given: dict[str, Any]) -> bool:
    """What graphtorch takes and torch does not: one number in a tuple for all dimensions, as some layers of torch do."""
    return any(isinstance(v, tuple) and len(v) == 1 for v in (*args, *given.values()))


def works(library: Any, layer: Any, shapes: list[tuple[int, ...]]) -> bool:
    try:
        layer(*(library.from_numpy(np.ones(shape, np.float32)) for shape in shapes))
    except (ValueError, TypeError, IndexError, RuntimeError, AttributeError, ZeroDivisionError, NotImplementedError):
        return False
    return True


def built(home: Any, name: str, args: list[Any], given: dict[str, Any]) -> Any:
    try:
        return getattr(home, name)(*args, **given)
    except (
        ValueError,
        TypeError,
        IndexError,
        RuntimeError,
        AttributeError,
        ZeroDivisionError,
        AssertionError,
    ) as error:
        assert home is torch.nn or isinstance(error, GraphTorchError), (name, args, given, error)
        return None


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_what_torch_can_run_is_built_and_nothing_else(name: str) -> None:
    make, rank = LAYERS[name]
    draw, legal, refused = Draw(len(name) + rank), 0, 0
    for _ in range(TIMES):
        args, given, shapes = make(draw, rank)
        other, layer = built(torch.nn, name, args, given), built(nn, name, args, given)
        runs = all(type(n) is int and n >= 0 for s in shapes for n in s) and other is not None
        runs = runs and works(torch, other, shapes)
        if layer is None:
            refused += 1
            assert not runs or stricter(args, given), (name, args, given)
            continue
        legal += 1
        assert runs or laxer(args, given), (name, args, given)
        assert works(gt, layer, shapes), (name, args, given)
    assert legal >= 3 and refused >= 3  # it has seen both
