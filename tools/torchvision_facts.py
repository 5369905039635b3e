"""Writes tests/vision/torchvision_models.json.gz: what torchvision's models are, and what they compute.

python -m tools.torchvision_facts          # where torch and torchvision are installed; graphtorch need not be

For each model: the keys and shapes of its state_dict, its `repr`, and, for a state made by tests/vision/filling.py,
some scores in evaluation, and in training (in float64, without dropout) the loss and the norms of gradients.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import models

from tests.vision import filling

OUT = Path(__file__).parent.parent / "tests" / "vision" / "torchvision_models.json.gz"
FAMILIES = ("alexnet", "vgg", "resnet", "resnext", "wide_resnet", "mobilenet_v2", "squeezenet", "densenet", "googlenet",
            "vit")  # fmt: skip
#: models of a gigabyte and more: nothing but names and shapes
TOO_LARGE = {"vit_h_14"}
#: those whose training is compared, and the size of their images
TRAINED = {
    "alexnet": 67, "vgg11": 35, "vgg11_bn": 67, "resnet18": 67, "resnet50": 67, "resnext50_32x4d": 67,
    "mobilenet_v2": 67, "squeezenet1_0": 67, "squeezenet1_1": 67, "densenet121": 67, "googlenet": 67, "vit_b_32": 64,
}  # fmt: skip
#: those whose initial numbers are compared
DRAWN = ("vgg11", "resnet18", "mobilenet_v2", "squeezenet1_0", "densenet121", "googlenet", "vit_b_32")
ARGUMENTS: dict[str, dict[str, Any]] = {"googlenet": {"init_weights": True}}


def main() -> None:
    names = [n for n in models.list_models(module=models) if n.startswith(FAMILIES)]
    facts = {name: of_model(name) for name in names}
    with gzip.GzipFile(OUT, "wb", mtime=0) as file:
        file.write(json.dumps(facts, separators=(",", ":")).encode())
    print(f"{len(facts)} models, {OUT.stat().st_size} bytes")


def of_model(name: str) -> dict[str, Any]:
    print(name, flush=True)
    make = getattr(models, name)
    arguments = ARGUMENTS.get(name, {})
    with torch.device("meta"):
        empty = make(**arguments)
    state = {key: list(value.shape) for key, value in empty.state_dict().items()}
    facts: dict[str, Any] = {"state": state, "repr": repr(empty)}
    if name in DRAWN:
        torch.manual_seed(0)
        facts["deviations"] = {
            key: float(value.double().std())
            for key, value in make(**arguments).state_dict().items()
            if value.numel() > 99
        }
    if name in TOO_LARGE:
        return facts
    if name.startswith("vit"):
        arguments = {**arguments, "image_size": 64}
    model = filled(make(**arguments))
    size = 64 if name.startswith("vit") else 67
    with torch.no_grad():
        facts["scores"] = filling.picked(model.eval()(torch.from_numpy(filling.images(1, 3, size, size))).numpy())
    if name in TRAINED:
        facts["size"] = TRAINED[name]
        facts["training"] = training(model.double().train(), TRAINED[name])
    return facts


def filled(model: Any) -> Any:
    state = {key: torch.from_numpy(filling.tensor(key, tuple(v.shape))) for key, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model


def training(model: Any, size: int) -> dict[str, float]:
    """The loss of three images, and norms of its gradient: of all, of that of the first and of the last parameter."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    images = torch.from_numpy(filling.images(3, 3, size, size)).double()
    scores = model(images)
    heads = scores if isinstance(scores, tuple) else (scores,)
    loss = sum(torch.nn.functional.cross_entropy(head, torch.tensor([1, 700, 42])) for head in heads)
    loss.backward()
    norms = [float(p.grad.norm()) for p in model.parameters()]
    return {"loss": float(loss), "all": float(np.linalg.norm(norms)), "first": norms[0], "last": norms[-1]}


if __name__ == "__main__":
    main()
