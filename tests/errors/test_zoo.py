"""No false alarms: of programs that work nothing is said, whether they train or not."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphtorch as gt
from benchmarks import nets
from graphtorch import nn, optim
from graphtorch.frontend.nn import init
from graphtorch.vision import models
from tests.errors.broken import programs

TRAINING = pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])


def f32(*shape: int) -> Any:
    return gt.TensorSpec(shape)


def i64(*shape: int) -> Any:
    return gt.TensorSpec(shape, gt.int64)


def check_clean(report: Any) -> None:
    assert report, str(report)
    assert not report.errors
    assert not report.warnings


@TRAINING
@pytest.mark.parametrize("name", programs.names())
def test_net_of_the_corpus(name: str, training: bool) -> None:
    program = programs.net(name).run()
    with init.skipped():
        net = program["model"]().train(training)
    check_clean(programs.check(program, net=net))


@TRAINING
@pytest.mark.parametrize(
    ("make", "input", "target"),
    [
        (nets.seed, f32(3, 3, 32, 32), i64(3)),
        (nets.lenet5, f32(3, 1, 28, 28), i64(3)),
        (nets.vgg16, f32(2, 3, 224, 224), i64(2)),
        (nets.resnet18, f32(2, 3, 96, 96), i64(2)),
        (nets.mlp, f32(5, 784), i64(5)),
        (nets.gpt, i64(2, 128), i64(2 * 128)),
    ],
    ids=["seed", "lenet5", "vgg16", "resnet18", "mlp", "gpt"],
)
def test_net_of_the_benchmarks(make: Any, input: Any, target: Any, training: bool) -> None:
    with init.skipped():
        net = make(nn).train(training)
    check_clean(gt.check(net, input, loss=nn.CrossEntropyLoss(), targets=target))


IMAGE, SOUND, CUBE, ROWS = f32(3, 4, 8, 10), f32(3, 4, 16), f32(3, 4, 6, 8, 10), f32(5, 6)

#: a layer by its constructor, and inputs that fit
LAYERS: list[tuple[str, tuple[Any, ...]]] = [
    ("Linear(6, 7)", (ROWS,)),
    ("Bilinear(6, 3, 4)", (ROWS, f32(5, 3))),
    ("Identity()", (ROWS,)),
    ("Flatten()", (IMAGE,)),
    ("Embedding(9, 4)", (i64(3, 5),)),
    ("EmbeddingBag(9, 4)", (i64(3, 5),)),
    *((f"Conv{d}d(4, 6, 3, padding=1)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"ConvTranspose{d}d(4, 6, 3, stride=2)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"BatchNorm{d}d(4)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"InstanceNorm{d}d(4)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"{kind}Pool{d}d(2)", (x,)) for kind in ("Max", "Avg") for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"Adaptive{kind}Pool{d}d(2)", (x,)) for kind in ("Max", "Avg") for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"LPPool{d}d(2, 2)", (x,)) for d, x in ((1, SOUND), (2, IMAGE))),
    *((f"Dropout{d}(0.3)", (x,)) for d, x in (("", ROWS), ("1d", SOUND), ("2d", IMAGE), ("3d", CUBE))),
    *((f"{kind}Pad{d}d(1)", (x,)) for kind in ("Circular", "Reflection", "Replication", "Zero") for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"ConstantPad{d}d(1, 0.5)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *(
        (f"{name}()", (ROWS,))
        for name in (
            "AlphaDropout CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU RReLU "
            "ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink GLU"
        ).split()
    ),
    *((f"{name}(dim=-1)", (ROWS,)) for name in ("Softmax", "LogSoftmax", "Softmin")),
    ("Softmax2d()", (IMAGE,)),
    ("Threshold(0.1, 2.0)", (ROWS,)),
    ("LayerNorm(6)", (ROWS,)),
    ("RMSNorm(6)", (ROWS,)),
    ("GroupNorm(2, 4)", (IMAGE,)),
    ("LocalResponseNorm(2)", (IMAGE,)),
    ("CrossMapLRN2d(2)", (IMAGE,)),
    ("ChannelShuffle(2)", (IMAGE,)),
    ("PixelShuffle(2)", (IMAGE,)),
    ("PixelUnshuffle(2)", (IMAGE,)),
    ("Upsample(scale_factor=2)", (IMAGE,)),
    ("UpsamplingBilinear2d(scale_factor=2)", (IMAGE,)),
    ("UpsamplingNearest2d(scale_factor=2)", (IMAGE,)),
    ("Unfold(2)", (IMAGE,)),
    ("Fold((3, 4), 2)", (f32(3, 8, 6),)),
    ("MultiheadAttention(6, 2)", (f32(5, 3, 6), f32(7, 3, 6), f32(7, 3, 6))),
    ("CosineSimilarity()", (ROWS, ROWS)),
    ("PairwiseDistance()", (ROWS, f32(5, 6))),
    ("LSTM(6, 4, batch_first=True, num_layers=2, bidirectional=True)", (f32(3, 5, 6),)),
    ("GRU(6, 4)", (f32(5, 3, 6),)),
    ("RNN(6, 4)", (f32(5, 3, 6),)),
    ("LSTMCell(6, 4)", (ROWS,)),
    ("GRUCell(6, 4)", (ROWS,)),
    ("RNNCell(6, 4)", (ROWS,)),
    ("FeatureAlphaDropout(0.3)", (IMAGE,)),
    *((f"MaxUnpool{d}d(2)", (x, gt.TensorSpec(x.shape, gt.int64))) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    ("LPPool3d(2, 2)", (CUBE,)),
    ("CosineEmbeddingLoss()", (ROWS, ROWS, f32(5))),
    ("MarginRankingLoss()", (f32(5), f32(5), f32(5))),
    ("TripletMarginLoss()", (ROWS, ROWS, ROWS)),
    ("TripletMarginWithDistanceLoss()", (ROWS, ROWS, ROWS)),
    ("CTCLoss()", (f32(7, 3, 6), i64(3, 4), i64(3), i64(3))),
    ("TransformerEncoderLayer(6, 2, 11)", (f32(5, 3, 6),)),
    ("TransformerDecoderLayer(6, 2, 11)", (f32(5, 3, 6), f32(7, 3, 6))),
    ("TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 11), 2)", (f32(5, 3, 6),)),
    ("TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 11), 2)", (f32(5, 3, 6), f32(7, 3, 6))),
    ("LazyLinear(7)", (ROWS,)),
    *((f"LazyConv{d}d(6, 3, padding=1)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"LazyConvTranspose{d}d(6, 3, stride=2)", (x,)) for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    *((f"Lazy{kind}Norm{d}d()", (x,)) for kind in ("Batch", "Instance") for d, x in ((1, SOUND), (2, IMAGE), (3, CUBE))),
    ("SyncBatchNorm(4)", (IMAGE,)),
    ("Unflatten(1, (2, 3))", (ROWS,)),
    ("Transformer(6, 2, 1, 1, 11)", (f32(7, 3, 6), f32(5, 3, 6))),
]  # fmt: skip


@TRAINING
@pytest.mark.parametrize(("text", "inputs"), LAYERS, ids=[text for text, _ in LAYERS])
def test_layer(text: str, inputs: tuple[Any, ...], training: bool) -> None:
    layer = eval(f"nn.{text}", {"nn": nn}).train(training)
    check_clean(gt.check(layer, *inputs))


LOSSES: list[tuple[str, tuple[Any, ...]]] = [
    ("CrossEntropyLoss()", (i64(5),)),
    ("CrossEntropyLoss()", (f32(5, 6),)),
    ("NLLLoss()", (i64(5),)),
    ("MSELoss()", (ROWS,)),
    ("L1Loss()", (ROWS,)),
    ("SmoothL1Loss()", (ROWS,)),
    ("HuberLoss()", (ROWS,)),
    ("BCEWithLogitsLoss()", (ROWS,)),
    ("BCELoss()", (ROWS,)),
    ("KLDivLoss(reduction='batchmean')", (ROWS,)),
    ("PoissonNLLLoss()", (ROWS,)),
    ("GaussianNLLLoss()", (ROWS, f32(5, 6))),
    ("HingeEmbeddingLoss()", (ROWS,)),
    ("SoftMarginLoss()", (ROWS,)),
    ("MultiLabelSoftMarginLoss()", (ROWS,)),
    ("MultiLabelMarginLoss()", (i64(5, 6),)),
    ("MultiMarginLoss()", (i64(5),)),
]  # fmt: skip
#: what makes of scores what some losses take
BEFORE = {"NLLLoss": nn.LogSoftmax(1), "KLDivLoss": nn.LogSoftmax(1), "BCELoss": nn.Sigmoid()}


@pytest.mark.parametrize(("text", "targets"), LOSSES, ids=[f"{t}-{len(x[0].shape)}d" for t, x in LOSSES])
def test_loss(text: str, targets: tuple[Any, ...]) -> None:
    kind = text.split("(")[0]
    net = nn.Sequential(nn.Linear(4, 6), BEFORE.get(kind, nn.Identity()))
    check_clean(gt.check(net, f32(5, 4), loss=eval(f"nn.{text}", {"nn": nn}), targets=targets))


#: bases and containers
_NO_LAYERS = set("Module ModuleDict ModuleList ParameterDict ParameterList Sequential RNNBase RNNCellBase".split())


def test_every_layer_has_a_row() -> None:
    layers = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    rows = {text.split("(")[0] for text, _ in (*LAYERS, *LOSSES)}
    assert layers - _NO_LAYERS <= rows, sorted(layers - _NO_LAYERS - rows)


#: file of an example -> how its net is made of the names in it, its inputs, and its targets where a class is one
EXAMPLES: dict[str, tuple[Callable[[dict[str, Any]], Any], tuple[gt.TensorSpec, ...], gt.TensorSpec]] = {
    "train_fashion_mnist": (lambda names: names["Net"](), (f32(3, 1, 28, 28),), i64(3)),
    "train_cifar": (lambda names: names["make_model"](), (f32(3, 3, 32, 32),), i64(3)),
    "tensorboard_demo": (lambda names: names["Net"](6), (f32(3, 1, 28, 28),), i64(3)),
    "lstm_names": (lambda names: names["Classifier"]("LSTM"), (i64(3, 16), i64(3)), i64(3)),
    "custom_pass": (
        lambda names: nn.Sequential(nn.Linear(24, 48), names["Scaled"](), nn.ReLU(), nn.Linear(48, 5)),
        (f32(7, 24),),
        i64(7),
    ),
}


@TRAINING
@pytest.mark.parametrize("name", EXAMPLES)
def test_net_of_the_example(name: str, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parent.parent.parent / "examples"
    monkeypatch.syspath_prepend(str(folder))  # as for a script
    make, inputs, targets = EXAMPLES[name]
    net = make(runpy.run_path(str(folder / f"{name}.py"), run_name="example")).train(training)
    optimizer = optim.SGD(net.parameters(), lr=0.1) if training else None  # to train in eval mode would be a mistake
    check_clean(gt.check(net, *inputs, loss=nn.CrossEntropyLoss(), targets=targets, optimizer=optimizer))


#: as others are, and larger
LARGE = {"vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2"} | {
    name for name in models.list_models() if re.search("13|19$|19_|34|10[12]|152|16[19]|201", name)
}


@TRAINING
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in models.list_models()]
)
def test_model_of_vision(name: str, training: bool) -> None:
    with init.skipped():
        net = models.get_model(name).train(training)
    images = f32(2, 1, 28, 28) if name == "lenet" else f32(2, 3, 224, 224)
    loss: Any = nn.CrossEntropyLoss()
    if name == "googlenet" and training:  # three heads, as in the paper
        loss = lambda out, y: sum(
            w * nn.functional.cross_entropy(o, y) for w, o in zip((1, 0.3, 0.3), out, strict=True)
        )
    optimizer = optim.SGD(net.parameters(), lr=0.1) if training else None
    check_clean(gt.check(net, images, loss=loss, targets=i64(2), optimizer=optimizer))


def test_edited_model() -> None:
    """Frozen, with another head, as examples/finetune_vgg.py does it."""
    with init.skipped():
        net = models.vgg16().requires_grad_(False)
    net.classifier[6] = nn.Linear(4096, 10)
    optimizer = optim.Adam(p for p in net.parameters() if p.requires_grad)
    check_clean(gt.check(net, f32(2, 3, 224, 224), loss=nn.CrossEntropyLoss(), targets=i64(2), optimizer=optimizer))


def test_net_of_the_encoder_of_sentences() -> None:
    names = runpy.run_path(str(Path(__file__).parent.parent.parent / "examples" / "minilm_embed.py"))
    with init.skipped():
        net = names["MiniLM"]().eval()
    check_clean(gt.check(net, i64(3, 32)))


@TRAINING
def test_net_with_an_op_of_its_own(training: bool) -> None:
    """In a process of its own: examples/custom_op.py adds an op to those of all."""
    program = f"""
import runpy
import graphtorch as gt
from graphtorch import nn, optim

names = runpy.run_path("examples/custom_op.py")
net = names["Net"]().train({training})
optimizer = optim.Adam(net.parameters(), lr=0.02) if {training} else None
inputs, targets = gt.TensorSpec((7, 2)), gt.TensorSpec((7, 1))
report = gt.check(net, inputs, loss=nn.functional.mse_loss, targets=targets, optimizer=optimizer)
assert report and not report.errors and not report.warnings, str(report)
"""
    root = Path(__file__).parent.parent.parent
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=root)
    assert done.returncode == 0, done.stderr


@TRAINING
def test_net_of_the_language_model(training: bool) -> None:
    names = runpy.run_path(str(Path(__file__).parent.parent.parent / "examples" / "char_transformer.py"))
    net = names["GPT"](31).train(training)
    optimizer = optim.AdamW(net.parameters()) if training else None
    loss = lambda scores, following: nn.functional.cross_entropy(scores.flatten(0, 1), following.flatten())
    check_clean(gt.check(net, i64(3, 17), loss=loss, targets=i64(3, 17), optimizer=optimizer))
