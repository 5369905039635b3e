"""Layers against torch: repr, keys, results and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn

torch = pytest.importorskip("torch", reason="torch is an optional oracle")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same'")]

LAYERS = [
    "Linear(5, 3)",
    "Linear(5, 3, bias=False)",
    "Conv2d(4, 6, 3)",
    "Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2, bias=False)",
    "Conv2d(4, 6, (4, 3), padding='same', dilation=(1, 2))",
    "Conv2d(4, 2, 3, padding='valid')",
    "Conv1d(4, 6, 3, padding=1)",
    "Conv1d(4, 2, (3,), stride=2, dilation=(2,), groups=2, bias=False)",
    "Conv3d(4, 6, (1, 3, 2), padding='same')",
    "ConvTranspose1d(4, 6, 3, 2, 1, 1)",
    "ConvTranspose2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0), groups=2, dilation=(1, 2))",
    "ConvTranspose3d(4, 2, 2, bias=False)",
    "MaxPool2d(2)",
    "MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=(1, 2), ceil_mode=True)",
    "ReLU()",
    "ReLU(inplace=True)",
    "Sigmoid()",
    "Tanh()",
    "Softmax(dim=1)",
    "LogSoftmax(dim=-1)",
    "BatchNorm2d(4)",
    "BatchNorm2d(4, eps=0.01, momentum=None, bias=False)",
    "BatchNorm1d(4, affine=False, track_running_stats=False)",
    "Embedding(7, 3)",
    "Embedding(7, 3, padding_idx=-2)",
    "LayerNorm(5)",
    "LayerNorm((3, 5), eps=0.001, bias=False)",
    "LayerNorm([5], elementwise_affine=False)",
    "RMSNorm(5)",
    "RMSNorm((3, 5), eps=0.01, elementwise_affine=False)",
    "GroupNorm(2, 6)",
    "GroupNorm(3, 6, eps=0.1, bias=False)",
    "GroupNorm(1, 6, affine=False)",
    "GELU()",
    "GELU('tanh')",
    "SiLU()",
    "SiLU(inplace=True)",
    "Flatten()",
    "Flatten(0, 2)",
    "Identity(3)",
    "Dropout()",
    "Dropout(0.25, inplace=True)",
    "CrossEntropyLoss()",
    "MSELoss()",
    "NLLLoss()",
    *(
        f"{name}(inplace=True)"
        for name in "ReLU6 Hardsigmoid Hardswish Hardtanh ELU CELU SELU LeakyReLU RReLU Mish".split()
    ),
    *(f"{name}()" for name in "ReLU6 Hardsigmoid Hardswish Hardtanh ELU CELU SELU LeakyReLU RReLU Mish".split()),
    *(
        f"{name}()"
        for name in "PReLU Hardshrink Softshrink Softplus LogSigmoid Softsign Tanhshrink GLU Softmin".split()
    ),
    "Softmax2d()",
    "Threshold(0.1, 20)",
    "Threshold(0.1, 20.0, inplace=True)",
    "Hardtanh(-2, 0.5)",
    "ELU(0.5)",
    "CELU(1.5, inplace=True)",
    "LeakyReLU(0.2)",
    "RReLU(0.1, 0.4)",
    "PReLU(4, init=0.3)",
    "Hardshrink(0.7)",
    "Softshrink(1)",
    "Softplus(beta=2, threshold=10)",
    "GLU(1)",
    "Softmin(dim=2)",
    *(f"{name}()" for name in "L1Loss SmoothL1Loss HuberLoss PoissonNLLLoss GaussianNLLLoss KLDivLoss BCELoss".split()),
    *(f"{name}()" for name in "BCEWithLogitsLoss HingeEmbeddingLoss MarginRankingLoss SoftMarginLoss".split()),
    *(f"{name}()" for name in "CosineEmbeddingLoss MultiMarginLoss MultiLabelMarginLoss TripletMarginLoss".split()),
    *(f"{name}()" for name in "MultiLabelSoftMarginLoss TripletMarginWithDistanceLoss".split()),
    "CTCLoss()",
    "PairwiseDistance(p=1)",
    "CosineSimilarity(dim=0)",
    "Sequential()",
    "Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Sequential(nn.Dropout(0.1))))",
    "ModuleList([nn.Linear(2, 3), nn.Linear(2, 3), nn.Sequential(nn.ReLU()), nn.ReLU()])",
    "ModuleDict({'a': nn.ReLU(), 'b': nn.ModuleList([])})",
]


#: layers of images and signals, and what they are run on
SPATIAL = [
    ("MaxPool1d(3, 2, 1, return_indices=False)", (2, 3, 11)), ("MaxPool3d(2, ceil_mode=True)", (2, 3, 5, 7, 6)),
    ("AvgPool1d(3, 2, 1)", (2, 3, 11)), ("AvgPool2d((3, 2), stride=(2, 1), padding=1, count_include_pad=False)", (2, 3, 7, 9)),
    ("AvgPool2d(2, divisor_override=3)", (3, 7, 9)), ("AvgPool3d((2, 3, 2), 2, 1, True)", (2, 3, 5, 7, 6)),
    ("LPPool1d(2, 3)", (2, 3, 11)), ("LPPool2d(4, (3, 2), stride=(2, 1), ceil_mode=True)", (2, 3, 7, 9)),
    ("LPPool3d(2, 2)", (2, 3, 5, 7, 6)),
    ("AdaptiveAvgPool1d(4)", (2, 3, 11)), ("AdaptiveAvgPool2d((4, None))", (2, 3, 7, 9)), ("AdaptiveAvgPool3d(2)", (2, 5, 7, 6)),
    ("AdaptiveMaxPool1d(4)", (2, 3, 11)), ("AdaptiveMaxPool2d((4, None))", (2, 3, 7, 9)), ("AdaptiveMaxPool3d(2)", (2, 5, 7, 6)),
    ("ConstantPad1d(2, 1.5)", (2, 3, 11)), ("ConstantPad2d((1, 2, -3, 4), 0)", (2, 3, 7, 9)), ("ConstantPad3d(1, 2.5)", (2, 3, 5, 4)),
    ("ZeroPad1d((1, 2))", (2, 3, 11)), ("ZeroPad2d(2)", (2, 3, 7, 9)), ("ZeroPad3d(1)", (2, 3, 5, 4)),
    ("ReflectionPad1d(2)", (3, 11)), ("ReflectionPad2d((1, 2, 3, 0))", (2, 3, 7, 9)), ("ReflectionPad3d(1)", (1, 2, 3, 5, 4)),
    ("ReplicationPad1d((2, 5))", (2, 3, 11)), ("ReplicationPad2d(2)", (3, 7, 9)), ("ReplicationPad3d(1)", (1, 2, 3, 5, 4)),
    ("CircularPad1d(2)", (2, 3, 11)), ("CircularPad2d((1, 2, 3, 0))", (2, 3, 7, 9)), ("CircularPad3d(1)", (1, 2, 3, 5, 4)),
    ("Upsample(scale_factor=2)", (2, 3, 7, 9)), ("Upsample(5)", (2, 3, 11)),
    ("Upsample(size=(5, 6), mode='bilinear', align_corners=True)", (2, 3, 7, 9)),
    ("Upsample(scale_factor=(1.5, 0.7), mode='bicubic', recompute_scale_factor=True)", (2, 3, 7, 9)),
    ("UpsamplingNearest2d(scale_factor=2)", (2, 3, 7, 9)), ("UpsamplingBilinear2d(size=(5, 12))", (2, 3, 7, 9)),
    ("PixelShuffle(2)", (2, 12, 3, 5)), ("PixelUnshuffle(2)", (3, 4, 6)), ("ChannelShuffle(3)", (2, 12, 5)),
    ("Unfold((3, 2), dilation=(1, 2), padding=1, stride=2)", (2, 3, 7, 9)), ("Fold((5, 7), 2)", (2, 12, 24)),
    ("BatchNorm3d(3)", (2, 3, 5, 4, 6)), ("InstanceNorm1d(3)", (2, 3, 11)), ("InstanceNorm2d(3, affine=True)", (3, 7, 9)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True, bias=False)", (2, 3, 7, 9)),
    ("InstanceNorm3d(3, track_running_stats=True, momentum=0.3)", (2, 3, 5, 4, 6)),
    ("LocalResponseNorm(2)", (2, 5, 7)), ("LocalResponseNorm(3, alpha=0.5, beta=0.6, k=2.0)", (2, 5, 7, 4)),
]  # fmt: skip
LAYERS += [text for text, _ in SPATIAL]
LAYERS += [
    "AlphaDropout()",
    "MaxUnpool1d(2)",
    "MaxUnpool2d(3, 2, 1)",
    "MaxUnpool3d((2, 1, 3))",
    "CrossMapLRN2d(5, alpha=0.5)",
    "Dropout1d()",
    "Dropout2d(0.2)",
    "Dropout3d(0.2, inplace=True)",
    "FeatureAlphaDropout(0.3)",
    "Bilinear(2, 3, 4)",
    "EmbeddingBag(5, 3)",
    "EmbeddingBag(5, 3, padding_idx=-1, mode='sum')",
    "MultiheadAttention(6, 2)",
    "MultiheadAttention(6, 3, bias=False, add_bias_kv=True, kdim=4, vdim=5)",
    "LSTM(5, 7)",
    "LSTM(5, 7, 3, False, True, 0.25, True, 2)",
    "GRU(5, 7)",
    "GRU(5, 7, 3, False, True, 0.25, True)",
    "RNN(5, 7, nonlinearity='relu')",
    "RNN(5, 7, 2, 'tanh', False, True, 0.25, True)",
]


def _both(text: str) -> tuple[nn.Module, Any]:
    """The layer here and in torch, with equal state."""
    gt.manual_seed(1)
    ours, theirs = eval(f"nn.{text}", {"nn": nn}), eval(f"nn.{text}", {"nn": torch.nn})
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("text", LAYERS)
def test_repr_and_keys(text: str) -> None:
    ours, theirs = _both(text)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_repr_of_a_user_module() -> None:
    def make(nn: Any) -> Any:
        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU()))
                self.fc = nn.Linear(2, 3)

            def extra_repr(self) -> str:
                return "one=1,\ntwo=2"

        return Net()

    assert repr(make(nn)) == repr(make(torch.nn))


SHAPES = {"Linear": (7, 5), "Conv1d": (2, 4, 9), "ConvTranspose1d": (2, 4, 9)}
SHAPES |= dict.fromkeys(("Conv3d", "ConvTranspose3d"), (2, 4, 3, 5, 6))
RUNS = [
    (text, SHAPES.get(text.partition("(")[0], (2, 4, 9, 7)))
    for text in LAYERS[:25]
    if not text.startswith(("BatchNorm1d", "Embedding"))
]
RUNS.append(("BatchNorm1d(4)", (3, 4, 5)))
RUNS += [
    ("LayerNorm(5)", (2, 7, 5)),
    ("LayerNorm((3, 5), eps=0.001, bias=False)", (2, 7, 3, 5)),
    ("LayerNorm([5], elementwise_affine=False)", (17, 5)),
    ("LayerNorm(5)", (0, 5)),
    ("RMSNorm(5)", (2, 7, 5)),
    ("RMSNorm((3, 5), eps=0.01, elementwise_affine=False)", (2, 3, 5)),
    ("GroupNorm(2, 6)", (3, 6, 5, 7)),
    ("GroupNorm(3, 6, eps=0.1, bias=False)", (5, 6)),
    ("GroupNorm(1, 6, affine=False)", (2, 6, 7)),
    ("GELU()", (3, 17)),
    ("GELU('tanh')", (3, 17)),
    ("SiLU()", (3, 17)),
    ("SiLU(inplace=True)", (3, 17)),
    ("PReLU(4, init=0.3)", (2, 4, 9)),
    ("Softmax2d()", (2, 4, 3, 5)),
    ("Softmax2d()", (4, 3, 5)),
    ("Softmin(dim=2)", (2, 4, 3)),
    ("GLU(1)", (2, 4, 3)),
    ("RReLU(0.4, 0.4)", (3, 17)),
    *(
        (text, (3, 17))
        for text in (
            "Threshold(0.1, 20.0, inplace=True)", "Hardtanh(-2, 0.5)", "CELU(1.5, inplace=True)", "ELU(0.5)", "SELU()",
            "LeakyReLU(0.2)", "ReLU6(inplace=True)", "Hardsigmoid()", "Hardswish(inplace=True)", "Hardshrink(0.7)",
            "Softshrink(1)", "Softplus(beta=2, threshold=10)", "LogSigmoid()", "Softsign()", "Tanhshrink()", "Mish()",
            "PReLU()",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape"), RUNS + SPATIAL)
def test_results_and_gradients(text: str, shape: tuple[int, ...]) -> None:
    ours, theirs = _both(text)
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x, t = gt.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    for _ in range(2):  # running statistics differ in the second step
        y, z = ours(x * 1), theirs(t * 1)
        factor = np.random.default_rng(1).standard_normal(tuple(z.shape)).astype(np.float32)
        (y * gt.tensor(factor)).sum().backward()
        (z * torch.tensor(factor)).sum().backward()
    close: dict[str, float] = {"rtol": 1e-4, "atol": 2e-5}
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **close)
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), **close)  # type: ignore[union-attr]
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), err_msg=name, **close)  # type: ignore[union-attr]
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), theirs.state_dict()[name].numpy(), err_msg=name, **close)


@pytest.mark.parametrize("padding", [None, 3, -5])
@pytest.mark.parametrize("shape", [(), (4,), (3, 5), (2, 0)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_embedding(padding: int | None, shape: tuple[int, ...], dtype: Any) -> None:
    ours, theirs = _both(f"Embedding(7, 9, padding_idx={padding})")
    index = np.asarray(np.random.default_rng(5).integers(0, 7, shape), dtype)
    for layer, at, lib in ((ours, gt.tensor(index), gt), (theirs, torch.tensor(index), torch)):
        y = layer(at)
        (y * y * lib.arange(9)).sum().backward()
    np.testing.assert_array_equal(ours(gt.tensor(index)).detach().numpy(), theirs(torch.tensor(index)).detach().numpy())
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6)
    if padding is not None:
        assert not ours.weight.grad.numpy()[padding % 7].any()


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"reduction": "none"}, {"ignore_index": 2}])
def test_cross_entropy(options: dict[str, Any]) -> None:
    scores = np.random.default_rng(2).standard_normal((6, 5, 3)).astype(np.float32)
    target = np.random.default_rng(3).integers(0, 5, (6, 3))
    weight = np.array([1, 2, 0.5, 3, 1], np.float32)
    ours = nn.CrossEntropyLoss(weight=gt.tensor(weight), **options)(gt.tensor(scores), gt.tensor(target))
    theirs = torch.nn.CrossEntropyLoss(weight=torch.tensor(weight), **options)(
        torch.tensor(scores), torch.tensor(target)
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


#: constructor -> the shapes of what it is called with; "classes" are int64
LOSSES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        (
            "L1Loss(reduction='sum')", "MSELoss()", "SmoothL1Loss(beta=0.3)", "HuberLoss('none', 0.4)", "SoftMarginLoss()",
            "PoissonNLLLoss(False, True, eps=0.1)", "KLDivLoss(reduction='batchmean', log_target=True)", "BCELoss(w)",
            "BCEWithLogitsLoss(w, pos_weight=w)", "HingeEmbeddingLoss(0.4)", "MultiLabelSoftMarginLoss(w)",
            "PairwiseDistance(3.0, 0.1, True)", "CosineSimilarity(0)",
        ),
        ((7, 5), (7, 5)),
    ),
    "GaussianNLLLoss(full=True, eps=0.3)": ((7, 5), (7, 5), (7, 5)),
    "MarginRankingLoss(0.3)": ((7, 5), (7, 5), (7, 5)),
    "CosineEmbeddingLoss(0.2)": ((7, 5), (7, 5), (7,)),
    "TripletMarginLoss(0.5, 1.0, 1e-3, True)": ((7, 5), (7, 5), (7, 5)),
    "TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a * b).sum(1), margin=0.3)": ((7, 5),) * 3,
    "MultiMarginLoss(2, 0.4, w)": ((7, 5), "classes", (7,)),
    "MultiLabelMarginLoss()": ((7, 5), "classes", (7, 5)),
    "NLLLoss(w, ignore_index=2)": ((7, 5), "classes", (7,)),
    "CrossEntropyLoss(w, None, 2, None, 'sum', 0.2)": ((7, 5), "classes", (7,)),
}  # fmt: skip


@pytest.mark.parametrize("text", LOSSES)
def test_settings_of_losses(text: str) -> None:
    rng = np.random.default_rng(3)
    found = []
    shapes = [s for s in LOSSES[text] if s != "classes"]
    arrays = [rng.uniform(0.05, 0.95, s).astype(np.float32) for s in shapes]
    if "classes" in LOSSES[text]:
        arrays[1] = rng.integers(0, 5, shapes[1])
    for lib in (nn, torch.nn):
        make = gt.tensor if lib is nn else torch.tensor
        loss = eval(f"nn.{text}", {"nn": lib, "w": make(np.array([1, 2, 0.5, 3, 1], np.float32))})
        found.append((loss(*map(make, arrays)).numpy(), list(loss.state_dict())))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=2e-5, atol=1e-6)
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("ends", [True, False])
def test_embedding_bag(mode: str, ends: bool) -> None:
    ours, theirs = _both(f"EmbeddingBag(7, 9, padding_idx=2, mode={mode!r}, include_last_offset={ends})")
    index, offsets = np.array([1, 0, 3, 2, 6, 2, 4]), np.array([0, 2, 2, 6, 7])
    for layer, lib in ((ours, gt), (theirs, torch)):
        y = layer(lib.tensor(index), lib.tensor(offsets))
        (y * y * lib.arange(9)).sum().backward()
    expected = theirs(torch.tensor(index), torch.tensor(offsets)).detach().numpy()
    np.testing.assert_allclose(
        ours(gt.tensor(index), gt.tensor(offsets)).detach().numpy(), expected, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_bilinear() -> None:
    ours, theirs = _both("Bilinear(2, 3, 4)")
    a, b = (np.random.default_rng(n).standard_normal((5, 6, n)).astype(np.float32) for n in (2, 3))
    found = ours(gt.tensor(a), gt.tensor(b)).detach().numpy()
    np.testing.assert_allclose(found, theirs(torch.tensor(a), torch.tensor(b)).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_pools_with_indices() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 9)).astype(np.float32)
    for text in ("MaxPool2d(3, 2, 1, return_indices=True)", "AdaptiveMaxPool2d((4, 5), return_indices=True)"):
        ours, theirs = _both(text)
        for a, b in zip(ours(gt.tensor(x)), theirs(torch.tensor(x)), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
