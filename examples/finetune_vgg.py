"""A VGG that somebody else trained learns other classes: its layers are frozen, and the last one is replaced.

python examples/finetune_vgg.py                                                    # VGG11, drawn anew
python examples/finetune_vgg.py --model vgg16 --weights vgg16-397923af.pth --size 224
python examples/finetune_vgg.py --model vgg16 --weights DEFAULT --size 224         # downloaded once
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.nn import functional as F
from graphtorch.utils.data import DataLoader, TensorDataset
from graphtorch.vision import models

DATA = Path(__file__).parent / "data" / "fashion_mnist_mini.npz"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(part: str, count: int) -> TensorDataset:
    """``count`` images of clothes, u8[n,28,28], and their classes, 0 to 9."""
    with np.load(DATA) as file:
        pixels, labels = file[f"{part}_images"][:count], file[f"{part}_labels"][:count]
    return TensorDataset(gt.from_numpy(pixels), gt.from_numpy(labels.astype(np.int64)))


def prepared(pixels: gt.Tensor, size: int) -> gt.Tensor:
    """Grey pixels as the net knows images: f32[n,3,size,size], normalised channel by channel."""
    grey = F.interpolate(pixels.float().unsqueeze(1) / 255, size=(size, size), mode="bilinear")
    mean, std = (gt.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return (grey - mean) / std


def make_model(name: str = "vgg11", weights: str | None = None, classes: int = 10) -> nn.Module:
    """The net with a new last layer, the only one that is trained."""
    model = models.get_model(name, weights=weights)
    model.requires_grad_(False)
    model.classifier[6] = nn.Linear(4096, classes)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg11", choices=[n for n in models.list_models() if n.startswith("vgg")])
    parser.add_argument("--weights", help="a file, or DEFAULT for the published one (default: drawn anew)")
    parser.add_argument("--size", type=int, default=32, help="of the images; nets were trained with 224")
    parser.add_argument("--images", type=int, default=600, help="to train with")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=0.01)
    args = parser.parse_args()

    gt.manual_seed(0)
    model = make_model(args.model, args.weights)
    trained = [p for p in model.parameters() if p.requires_grad]
    total = sum(p.numel() for p in model.parameters())
    print(f"{args.model}: {total:,} parameters, of which {sum(p.numel() for p in trained):,} are trained")
    optimizer = optim.Adam(trained, lr=args.lr)

    @gt.compile
    def step(pixels: gt.Tensor, labels: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(prepared(pixels, args.size)), labels)
        loss.backward()  # the program has no gradient of anything below the new layer
        optimizer.step()
        return loss

    predict = gt.compile(lambda pixels: model(prepared(pixels, args.size)).argmax(1))
    for epoch in range(1, args.epochs + 1):
        model.train()
        loader = DataLoader(images("train", args.images), batch_size=50, shuffle=True, drop_last=True)
        losses = [step(pixels, labels).item() for pixels, labels in loader]
        model.eval()
        with gt.no_grad():
            tested = [(predict(x) == y).float().mean().item() for x, y in DataLoader(images("test", 200), 50)]
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.3f}, test accuracy {sum(tested) / len(tested):.3f}")


if __name__ == "__main__":
    main()
