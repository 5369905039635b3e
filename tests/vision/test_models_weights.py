"""``weights`` of the constructors: paths, published files in torch's folder, downloads, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, ArgumentTypeError, DownloadError, StateError
from graphtorch.vision import models
from graphtorch.vision.models import published
from tests.vision.torchvision_facts import empty, facts, filled, images


def save(net: nn.Module, path: pathlib.Path) -> pathlib.Path:
    """The state as safetensors: the length of a header in JSON, the header, the numbers."""
    header, parts, at = {}, [], 0
    for key, value in net.state_dict().items():
        parts.append(np.ascontiguousarray(value.numpy()).tobytes())
        kind = "I64" if value.dtype == gt.int64 else "F32"
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))
    return path


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where weights are kept; what would be downloaded is in the folder "host"."""
    monkeypatch.setenv("GRAPHTORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(published, "HOST", (tmp_path / "host").as_uri() + "/")
    folder = tmp_path / "home" / "hub" / "checkpoints"
    for made in (tmp_path / "host", folder):
        made.mkdir(parents=True)
    return folder


def publish(net: nn.Module, place: pathlib.Path, name: str, monkeypatch: pytest.MonkeyPatch, **facts: Any) -> Any:
    """Let the state be the published one of ``name``, in ``place``; the enumeration."""
    path = save(net, place / "new")
    named = path.rename(path.with_name(f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"))
    kind = published._enum("Some_Weights", "V1", V1=published.File(named.name, **facts))
    monkeypatch.setitem(published.WEIGHTS, name, kind)
    return kind


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(np.array_equal(x.numpy(), y.numpy()) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))  # fmt: skip


def test_a_path(tmp_path: pathlib.Path) -> None:
    net = filled("squeezenet1_1", num_classes=5)
    path = save(net, tmp_path / "mine.safetensors")
    for form in (path, str(path)):
        state = gt.get_rng_state()
        again = models.squeezenet1_1(weights=form, num_classes=5)
        assert same(net, again) and again.training
        assert bool((gt.get_rng_state() == state).all()), "nothing is drawn that is replaced"


def test_a_file_of_another_model(tmp_path: pathlib.Path) -> None:
    path = save(filled("squeezenet1_1", num_classes=5), tmp_path / "mine.safetensors")
    with pytest.raises(StateError, match=r'size mismatch for "classifier\.1\.weight"'):
        models.squeezenet1_1(weights=path)
    with pytest.raises(StateError, match="missing key"):
        models.alexnet(weights=path)


def test_a_path_that_is_none() -> None:
    with pytest.raises(ArgumentError, match=r"weights='nothing\.pth' is not a file") as caught:
        models.resnet50(weights="nothing.pth")
    assert 'the path of a file that gt.load reads or "IMAGENET1K_V1" or "IMAGENET1K_V2" or "DEFAULT"' in str(
        caught.value
    )
    with pytest.raises(ArgumentError, match="is not a file"):
        models.lenet(weights="DEFAULT")
    with pytest.raises(
        ArgumentTypeError, match="weights must be a path, the name of published weights or None, got bool"
    ):
        models.resnet18(weights=True)


def test_weights_of_another_model() -> None:
    with pytest.raises(ArgumentError, match=r"expected a member of ResNet18_Weights"):
        models.resnet18(weights=models.ResNet34_Weights.DEFAULT)
    with pytest.raises(ArgumentError, match="nobody publishes weights of lenet"):
        models.lenet(weights=models.ResNet34_Weights.DEFAULT)


def test_published_weights_that_are_there(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = filled("squeezenet1_1")
    kind = publish(net, folder, "squeezenet1_1", monkeypatch)
    for how in ({"weights": "DEFAULT"}, {"weights": "V1"}, {"weights": kind.V1}, {"pretrained": True}):
        assert same(models.squeezenet1_1(**how), net)
    assert not same(models.squeezenet1_1(pretrained=False), net)


@pytest.mark.parametrize("how", [{"weights": "DEFAULT"}, {"pretrained": True}])
def test_published_weights_offline(how: dict[str, Any], folder: pathlib.Path) -> None:
    with pytest.raises(DownloadError, match="GT910") as caught:
        models.vgg16(**how)
    assert "vgg16-397923af.pth cannot be downloaded" in str(caught.value)
    assert f"put the file at {folder / 'vgg16-397923af.pth'}" in str(caught.value)


def test_published_weights_are_downloaded(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = filled("squeezenet1_0")
    kind = publish(net, folder.parent.parent.parent / "host", "squeezenet1_0", monkeypatch)
    assert same(models.squeezenet1_0(weights="DEFAULT", progress=False), net)
    assert [p.name for p in folder.iterdir()] == [kind.V1.value.name]


def test_the_heads_of_published_googlenet_are_dropped(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = filled("googlenet")
    kind = publish(net, folder, "googlenet", monkeypatch)
    for weights in ("DEFAULT", folder / kind.V1.value.name):  # the very file, wherever it is
        got = models.googlenet(weights=weights)
        assert got.transform_input and not got.aux_logits and got.aux1 is None and got.aux2 is None
    both = models.googlenet(weights="DEFAULT", aux_logits=True, transform_input=False)
    assert same(both, net) and both.train()(images(2, 3, 33, 33)).aux_logits1.shape == (2, 1000)


def test_vision_transformers_are_as_large_as_their_weights(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = empty("vit_b_16", image_size=384, num_layers=1)
    publish(net, folder, "vit_b_16", monkeypatch, crop_size=384)
    assert models.vit_b_16(weights="V1", num_layers=1).image_size == 384


def test_images_are_made_ready_as_the_model_was_trained() -> None:
    picture = pytest.importorskip("PIL.Image", reason="pip install pillow").new("RGB", (320, 290), (255, 0, 51))
    made = models.ResNet50_Weights.DEFAULT.transforms()(picture)
    expected = (np.array([1, 0, 0.2]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(made.numpy(), np.broadcast_to(expected[:, None, None], (3, 224, 224)), atol=1e-5)
    bytes = gt.full((3, 600, 520), 255, dtype=gt.uint8)
    assert models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1.transforms()(bytes).shape == (3, 384, 384)
    sizes = [repr(t) for t in models.ResNet50_Weights.DEFAULT.transforms().transforms[:2]]
    assert "size=232" in sizes[0] and "(224, 224)" in sizes[1]


def test_every_model_of_torchvision_has_its_weights() -> None:
    for name in facts():
        kind = models.get_model_weights(name)
        assert kind is models.get_model_weights(getattr(models, name)) and kind.DEFAULT in kind
        assert getattr(models, kind.__name__) is kind
        for member in kind:
            assert re.fullmatch(r"[\w-]+-[0-9a-f]{8}\.pth", member.value.name) and member.url.endswith(
                member.value.name
            )
    assert repr(models.VGG16_Weights.DEFAULT) == "VGG16_Weights.IMAGENET1K_V1"
