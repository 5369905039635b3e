"""What tools/torchvision_facts.py wrote of torchvision's models, and nets that are filled as it filled them."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.nn import init
from graphtorch.vision import models
from tests.vision import filling


@functools.cache
def facts() -> dict[str, dict[str, Any]]:
    """By name of the model."""
    return json.loads(gzip.decompress((Path(__file__).parent / "torchvision_models.json.gz").read_bytes()))


def empty(name: str, **arguments: Any) -> Any:
    """The net without initial numbers: memory that is not touched is not taken."""
    with init.skipped():
        return models.get_model(name, **arguments)


def filled(name: str, **arguments: Any) -> Any:
    """The net with the state that torchvision's had."""
    if name.startswith("vit"):
        arguments = {"image_size": 64, **arguments}
    net = empty(name, **arguments)
    net.load_state_dict({k: gt.from_numpy(filling.tensor(k, v.shape)) for k, v in net.state_dict().items()})
    return net


def undropped(net: Any) -> Any:
    """``net`` with dropout that drops nothing."""
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return net


def images(*shape: int) -> gt.Tensor:
    return gt.from_numpy(filling.images(*shape))
