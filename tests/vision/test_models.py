"""The models against torchvision's: names and shapes of the state, `repr`, initial numbers, scores and gradients.

What torchvision gives stands in a file (tools/torchvision_facts.py), so that neither it nor torch is needed here.
"""

from __future__ import annotations

import inspect
import math
import pathlib
import pickle

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ShapeError
from graphtorch.nn import init
from graphtorch.vision import models
from tests.sampling import sampled
from tests.vision import filling
from tests.vision.torchvision_facts import empty, facts, filled, images, undropped

NAMES = sorted(facts())
#: these take a second; of the others the ordinary run takes a sample
QUICK = ("alexnet", "densenet121", "googlenet", "mobilenet_v2", "resnet18", "resnet50", "resnext50_32x4d", "squeezenet1_0",
         "squeezenet1_1", "vgg11_bn", "vit_b_32")  # fmt: skip
SLOW = [name for name in NAMES if name not in QUICK and "scores" in facts()[name]]


def test_no_model_is_left_out() -> None:
    assert {*NAMES, "lenet"} == set(models.list_models())
    for name in models.list_models():
        made = getattr(models, name)
        assert [p.name for p in inspect.signature(made).parameters.values()] == ["weights", "progress", "kwargs"]


@pytest.mark.parametrize("name", NAMES)
def test_state_and_repr(name: str) -> None:
    net = empty(name)
    expected = facts()[name]["state"]
    state = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert list(state) == list(expected)
    assert state == expected
    assert all(v.dtype == (gt.int64 if "num_batches" in k else gt.float32) for k, v in net.state_dict().items())
    assert repr(net) == facts()[name]["repr"]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "vgg11")) for n in NAMES if "deviations" in facts()[n]]
)
def test_initial_numbers(name: str) -> None:
    """Each tensor has the deviation of torchvision's, within what the number of its elements allows."""
    gt.manual_seed(0)
    state = models.get_model(name).state_dict()
    for key, expected in facts()[name]["deviations"].items():
        got = float(state[key].double().std())
        assert abs(got - expected) <= expected * 6 / np.sqrt(state[key].numel()), key


@pytest.mark.parametrize("name", [*QUICK, *sampled(SLOW, 2)])
def test_scores(name: str) -> None:
    net = filled(name).eval()
    size = 64 if name.startswith("vit") else 67
    with gt.no_grad():
        scores = net(images(1, 3, size, size)).numpy()
    assert scores.shape == (1, 1000)
    expected = np.array(facts()[name]["scores"])
    np.testing.assert_allclose(filling.picked(scores), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


TRAINED = [n for n in NAMES if "training" in facts()[n]]
LONG = [n for n in TRAINED if n not in ("resnet18", "mobilenet_v2", "squeezenet1_1")]


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in TRAINED])
def test_training(name: str) -> None:
    """Loss and gradients of three images, in float64: in float32 batch norms of so few pixels differ by rounding."""
    expected, size = facts()[name]["training"], facts()[name]["size"]
    net = undropped(filled(name).double().train())
    scores = net(images(3, 3, size, size).double())
    heads = scores if isinstance(scores, tuple) else (scores,)
    loss = sum(nn.functional.cross_entropy(head, gt.tensor([1, 700, 42])) for head in heads)
    loss.backward()
    norms = [float(np.linalg.norm(p.grad.double().numpy())) for p in net.parameters()]
    got = {"loss": float(loss.item()), "all": float(np.linalg.norm(norms)), "first": norms[0], "last": norms[-1]}
    assert got == pytest.approx(expected, rel=1e-8)


def test_lenet_is_the_paper_s_size() -> None:
    net = models.lenet()
    assert sum(p.numel() for p in net.parameters()) == 61_706
    assert net(images(2, 1, 28, 28)).shape == (2, 10)
    assert models.lenet(num_classes=7).classifier[-1].out_features == 7


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("resnet18", {"num_classes": 5, "norm_layer": nn.InstanceNorm2d}, (2, 3, 33, 65)),
        ("resnet50", {"replace_stride_with_dilation": (False, True, True), "zero_init_residual": True}, (1, 3, 65, 33)),
        ("mobilenet_v2", {"width_mult": 0.35, "dropout": 0.0}, (2, 3, 33, 47)),
        ("mobilenet_v2", {"inverted_residual_setting": [(1, 16, 1, 1), (6, 24, 2, 2)]}, (2, 3, 33, 47)),
        ("squeezenet1_1", {"num_classes": 3}, (2, 3, 33, 47)),
        ("densenet121", {"growth_rate": 8, "block_config": (2, 3), "num_init_features": 12, "bn_size": 2}, (2, 3, 33, 47)),
        ("googlenet", {"aux_logits": False, "transform_input": True}, (2, 3, 33, 47)),
        ("vit_b_32", {"image_size": 96, "num_layers": 1, "representation_size": 24}, (2, 3, 96, 96)),
    ],
)  # fmt: skip
def test_arguments(name: str, arguments: dict, shape: tuple[int, ...]) -> None:
    net = models.get_model(name, **arguments).eval()
    scores = net(images(*shape))
    assert scores.shape == (shape[0], arguments.get("num_classes", 1000)) and bool(scores.isfinite().all())


def test_the_stem_of_convolutions_has_patches_of_as_many_pixels() -> None:
    from graphtorch.vision.models.vision_transformer import ConvStemConfig, VisionTransformer

    stem = [ConvStemConfig(8, 3, 2), ConvStemConfig(12, 3, 2), ConvStemConfig(16, 3, 2)]
    net = VisionTransformer(48, 8, 1, 2, 24, 48, num_classes=5, conv_stem_configs=stem).eval()
    assert net(images(2, 3, 48, 48)).shape == (2, 5)
    assert [n for n, _ in net.conv_proj.named_children()] == [*(f"conv_bn_relu_{i}" for i in range(3)), "conv_last"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: models.SqueezeNet("2_0"), "version='2_0' is not allowed"),
        (lambda: models.vit_b_16(image_size=100), "expected a multiple of patch_size=16"),
        (lambda: models.resnet50(replace_stride_with_dilation=(True,)), "expected None or 3 elements"),
        (lambda: models.resnet18(groups=2), "Bottleneck takes others"),
        (lambda: models.mobilenet_v2(inverted_residual_setting=[(1, 2, 3)]), "expected rows of 4 numbers"),
        (lambda: models.googlenet(blocks=[nn.Conv2d]), "expected 3: a convolution, an inception, a head"),
        (lambda: models.get_model("resnet19"), "name='resnet19' is not allowed"),
        (lambda: models.get_model_weights("lenet"), "name='lenet' is not allowed"),
    ],
)  # fmt: skip
def test_refused(refused, message: str) -> None:
    with pytest.raises(ArgumentError, match="GT304") as caught:
        refused()
    assert message in str(caught.value)


def test_a_vision_transformer_wants_images_of_its_size() -> None:
    net = empty("vit_b_32", image_size=64, num_layers=1)
    with pytest.raises(ShapeError, match=r"expected \[64, 64\], as image_size says"):
        net(images(1, 3, 64, 96))


def test_the_user_s_edit() -> None:
    net = empty("vgg11")
    net.requires_grad_(False)
    net.classifier[6] = nn.Linear(4096, 10)
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["classifier.6.weight", "classifier.6.bias"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("densenet121", {"block_config": (1, 1), "num_classes": 2}),
        ("vit_b_32", {"num_layers": 1, "image_size": 64}),
        ("googlenet", {"num_classes": 3}),
        ("resnet18", {"num_classes": 3}),
    ],
)
def test_a_model_is_saved_whole(name: str, arguments: dict, tmp_path: pathlib.Path) -> None:
    net = models.get_model(name, **arguments).eval()
    gt.save(net, tmp_path / "net")
    x = images(1, 3, 64, 64)
    for again in (pickle.loads(pickle.dumps(net)), gt.load(tmp_path / "net", weights_only=False)):
        np.testing.assert_array_equal(net(x).detach().numpy(), again.eval()(x).detach().numpy())


@pytest.mark.parametrize(("name", "old", "new"), [
    ("densenet121", "features.denseblock2.denselayer3.norm.1.weight", "features.denseblock2.denselayer3.norm1.weight"),
    ("densenet121", "features.denseblock1.denselayer1.conv.2.weight", "features.denseblock1.denselayer1.conv2.weight"),
    ("vit_b_32", "encoder.layers.encoder_layer_1.mlp.linear_1.weight", "encoder.layers.encoder_layer_1.mlp.0.weight"),
    ("vit_b_32", "encoder.layers.encoder_layer_0.mlp.linear_2.bias", "encoder.layers.encoder_layer_0.mlp.3.bias"),
])  # fmt: skip
def test_published_files_have_older_names(name: str, old: str, new: str) -> None:
    small = {"densenet121": {"block_config": (2, 3)}, "vit_b_32": {"num_layers": 2}}[name]
    net = empty(name, **small)
    state = dict(net.state_dict())
    state[old] = gt.full(tuple(state.pop(new).shape), 5.0)
    net.load_state_dict(state)
    assert old in state, "the caller's dictionary is the caller's"
    assert bool((net.state_dict()[new] == 5).all())


def test_trunc_normal() -> None:
    phi = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    gt.manual_seed(3)
    wide = init.trunc_normal_(gt.empty(400, 500), std=0.3).numpy()  # nothing is outside
    assert abs(wide.mean()) < 0.003 and abs(wide.std() - 0.3) < 0.003
    narrow = init.trunc_normal_(gt.empty(300, 100, dtype=gt.float64), 1.0, 2.0, 0.0, 1.5).numpy()
    assert narrow.min() >= 0 and narrow.max() <= 1.5
    mean = 1 + 2 * (phi(-0.5) - phi(0.25)) / (math.erf(0.25 / 2**0.5) / 2 + math.erf(0.5 / 2**0.5) / 2)
    assert abs(narrow.mean() - mean) < 0.01
    tail = init.trunc_normal_(gt.empty(9, 7), 0.0, 1.0, 5.0, 6.0).numpy()
    assert tail.min() >= 5 and tail.max() <= 6 and len(np.unique(tail)) > 30
    with pytest.raises(ArgumentError, match="expected std > 0, a <= b"):
        init.trunc_normal_(gt.empty(3), a=1.0, b=0.5)
