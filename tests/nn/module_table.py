"""For each module that graphtorch has from torch: how it is constructed, and what it is called with.

`tests/nn/torch_modules.txt` is the list of them; `tests/nn/test_module_list.py` compares them with torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Input:
    """An argument: "normal" numbers, numbers in (0, 1) ("unit"), "sign"s, "whole" numbers below ``high``,
    or where in windows of 2x2 an unpooling puts numbers ("corners").

    Floating-point arguments get gradients, unless they are targets (``fixed``).
    """

    kind: str
    shape: tuple[int, ...]
    high: int = 0
    fixed: bool = False

    def array(self, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        if self.kind == "corners":
            height, width = self.shape[2:]
            return np.zeros(self.shape, int) + 2 * np.arange(width) + 4 * width * np.arange(height)[:, None]
        if self.kind == "whole":
            return rng.integers(0, self.high, self.shape)
        if self.kind == "sign":
            return rng.choice([-1.0, 1.0], self.shape).astype(np.float32)
        if self.kind == "unit":
            return rng.uniform(0.05, 0.95, self.shape).astype(np.float32)
        return rng.standard_normal(self.shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """``text`` constructs the module, with ``nn`` and ``lib`` as names; ``call`` calls what is no layer itself.

    ``training``: whether it runs in training mode (not where that draws random numbers).
    """

    text: str
    inputs: tuple[Any, ...]
    training: bool = True
    call: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        return self.text.removeprefix("nn.").partition("(")[0]


def normal(*shape: int) -> Input:
    return Input("normal", shape)


def unit(*shape: int) -> Input:
    return Input("unit", shape)


def target(*shape: int, kind: str = "normal") -> Input:
    return Input(kind, shape, fixed=True)


def whole(high: int, *shape: int) -> Input:
    return Input("whole", shape, high)


#: signals, images and volumes of two samples and of one size more for each dimension
SIGNAL, IMAGE, VOLUME, ROWS = normal(2, 4, 11), normal(2, 4, 7, 9), normal(2, 4, 5, 6, 7), normal(5, 6)
SPATIAL = {1: SIGNAL, 2: IMAGE, 3: VOLUME}


def _each(text: str, dims: tuple[int, ...] = (1, 2, 3), training: bool = True) -> Iterator[Case]:
    """A case for each number of dimensions, which stands for ``#``."""
    return (Case(f"nn.{text.replace('#', str(d))}", (SPATIAL[d],), training) for d in dims)


def _elementwise() -> Iterator[Case]:
    plain = (
        "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU ReLU ReLU6 SELU SiLU "
        "Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink GLU Identity"
    ).split()
    yield from (Case(f"nn.{name}()", (ROWS,)) for name in plain)
    yield from (Case(f"nn.{name}(dim=0)", (ROWS,)) for name in ("Softmax", "LogSoftmax", "Softmin"))
    yield from (Case(f"nn.{name}(0.3)", (ROWS,), False) for name in ("AlphaDropout", "Dropout"))
    yield Case("nn.RReLU()", (ROWS,), False)
    yield Case("nn.Softmax2d()", (IMAGE,))
    yield Case("nn.Threshold(0.1, 2.0)", (ROWS,))


def _spatial() -> Iterator[Case]:
    for text in (
        "AdaptiveAvgPool#d(3)", "AdaptiveMaxPool#d(3)", "AvgPool#d(3, 2)", "MaxPool#d(3, 2)", "BatchNorm#d(4)",
        "CircularPad#d(2)", "ConstantPad#d(2, 0.5)", "ReflectionPad#d(2)", "ReplicationPad#d(2)", "ZeroPad#d(2)",
        "Conv#d(4, 6, 3, 2, padding=1)", "ConvTranspose#d(4, 3, 3, stride=2)", "LazyConv#d(6, 3, groups=2)",
        "InstanceNorm#d(4, affine=True)",
    ):  # fmt: skip
        yield from _each(text)
    yield from _each("Dropout#d(0.3)", training=False)
    yield from _each("LPPool#d(2, 3)", (1, 2))
    yield from _each("LazyBatchNorm#d()", (1, 2))
    for text in (
        "UpsamplingBilinear2d(scale_factor=2)",
        "UpsamplingNearest2d(size=(5, 12))",
        "Upsample(scale_factor=3)",
    ):
        yield Case(f"nn.{text}", (IMAGE,))
    for text in (
        "ChannelShuffle(2)",
        "PixelShuffle(2)",
        "LocalResponseNorm(3)",
        "SyncBatchNorm(4)",
    ):
        yield Case(f"nn.{text}", (IMAGE,), text[0] != "S")  # torch has no SyncBatchNorm in training mode on the CPU
    yield Case("nn.CrossMapLRN2d(3)", (normal(3, 1, 7, 9),))  # of more channels torch gives wrong gradients
    yield Case("nn.PixelUnshuffle(2)", (normal(2, 3, 4, 6),))
    yield Case("nn.GroupNorm(2, 4)", (IMAGE,))
    yield Case("nn.Unfold((3, 2), padding=1)", (IMAGE,))
    yield Case("nn.Fold((5, 7), 2)", (normal(2, 12, 24),))
    yield Case("nn.MaxUnpool2d(2)", (normal(2, 3, 4, 5), Input("corners", (2, 3, 4, 5))))


def _layers() -> Iterator[Case]:
    yield Case("nn.Linear(6, 7)", (normal(2, 5, 6),))
    yield Case("nn.LazyLinear(7)", (normal(2, 5, 6),))
    yield Case("nn.Bilinear(6, 3, 4)", (ROWS, normal(5, 3)))
    yield Case("nn.Flatten(1, -2)", (IMAGE,))
    yield Case("nn.Unflatten(1, (2, 3))", (ROWS,))
    yield Case("nn.Embedding(9, 4, padding_idx=2)", (whole(9, 3, 5),))
    yield Case("nn.EmbeddingBag(9, 4)", (whole(9, 3, 5),))
    yield Case("nn.LayerNorm(6)", (ROWS,))
    yield Case("nn.RMSNorm(6)", (ROWS,))
    yield Case("nn.CosineSimilarity()", (ROWS, normal(5, 6)))
    yield Case("nn.PairwiseDistance()", (ROWS, normal(5, 6)))


def _sequences() -> Iterator[Case]:
    yield Case("nn.RNN(6, 4, nonlinearity='relu')", (normal(5, 3, 6),))
    yield Case("nn.GRU(6, 4, 2, batch_first=True)", (normal(3, 5, 6),))
    yield Case("nn.LSTM(6, 4, bidirectional=True)", (normal(5, 3, 6), (normal(2, 3, 4), unit(2, 3, 4))))
    yield Case("nn.RNNCell(6, 4)", (ROWS, normal(5, 4)))
    yield Case("nn.GRUCell(6, 4)", (ROWS, normal(5, 4)))
    yield Case("nn.LSTMCell(6, 4)", (ROWS, (normal(5, 4), unit(5, 4))))
    source, memory = normal(5, 3, 6), normal(7, 3, 6)
    yield Case("nn.MultiheadAttention(6, 2)", (source, memory, memory))
    yield Case("nn.TransformerEncoderLayer(6, 2, 11, dropout=0.0)", (source,))
    yield Case("nn.TransformerDecoderLayer(6, 2, 11, dropout=0.0)", (source, memory))
    encoder, decoder = (f"nn.Transformer{kind}Layer(6, 2, 11, dropout=0.0)" for kind in ("Encoder", "Decoder"))
    yield Case(f"nn.TransformerEncoder({encoder}, 2, enable_nested_tensor=False)", (source,))
    yield Case(f"nn.TransformerDecoder({decoder}, 2)", (source, memory))
    yield Case("nn.Transformer(6, 2, 1, 1, 11, dropout=0.0)", (memory, source))


def _losses() -> Iterator[Case]:
    for name in "L1Loss MSELoss SmoothL1Loss HuberLoss".split():
        yield Case(f"nn.{name}()", (ROWS, target(5, 6)))
    for name in "HingeEmbeddingLoss SoftMarginLoss".split():
        yield Case(f"nn.{name}()", (ROWS, target(5, 6, kind="sign")))
    yield Case("nn.PoissonNLLLoss()", (ROWS, target(5, 6, kind="unit")))
    yield Case("nn.GaussianNLLLoss()", (ROWS, target(5, 6), unit(5, 6)))
    yield Case("nn.KLDivLoss(reduction='batchmean')", (ROWS, target(5, 6, kind="unit")))
    yield Case("nn.BCELoss()", (unit(5, 6), target(5, 6, kind="unit")))
    yield Case("nn.BCEWithLogitsLoss()", (ROWS, target(5, 6, kind="unit")))
    yield Case("nn.MultiLabelSoftMarginLoss()", (ROWS, target(5, 6, kind="unit")))
    yield Case("nn.CrossEntropyLoss(label_smoothing=0.1)", (ROWS, whole(6, 5)))
    yield Case("nn.NLLLoss()", (ROWS, whole(6, 5)))
    yield Case("nn.MultiMarginLoss()", (ROWS, whole(6, 5)))
    yield Case("nn.MultiLabelMarginLoss()", (ROWS, whole(6, 5, 6)))
    yield Case("nn.CosineEmbeddingLoss(0.2)", (ROWS, normal(5, 6), target(5, kind="sign")))
    yield Case("nn.MarginRankingLoss(0.3)", (normal(5), normal(5), target(5, kind="sign")))
    yield Case("nn.TripletMarginLoss()", (ROWS, normal(5, 6), normal(5, 6)))
    yield Case("nn.TripletMarginWithDistanceLoss(margin=0.5)", (ROWS, normal(5, 6), normal(5, 6)))
    yield Case("nn.CTCLoss()", (normal(9, 2, 5), Input("whole", (2, 3), 4), (7, 9), (2, 3)))


def _containers() -> Iterator[Case]:
    pair = "nn.Linear(6, 3), nn.Linear(3, 2)"
    yield Case(f"nn.Sequential({pair})", (ROWS,))
    yield Case(f"nn.ModuleList([{pair}])", (ROWS,), call=lambda net, x: net[1](net[0](x)))
    named = "{'a': nn.Linear(6, 3), 'b': nn.Linear(3, 2)}"
    yield Case(f"nn.ModuleDict({named})", (ROWS,), call=lambda net, x: net["b"](net["a"](x)))
    parts = "nn.Parameter(lib.ones(6)), lib.ones(5, 1)"
    yield Case(f"nn.ParameterList([{parts}])", (ROWS,), call=lambda net, x: x * net[0] + net[1])
    named = "{'b': lib.ones(6), 'a': nn.Parameter(lib.ones(5, 1))}"
    yield Case(f"nn.ParameterDict({named})", (ROWS,), call=lambda net, x: x * net["b"] + net["a"])


CASES = [*_elementwise(), *_spatial(), *_layers(), *_sequences(), *_losses(), *_containers()]
