"""A vision transformer (A. Dosovitskiy et al., 2020) with nn.MultiheadAttention and a learned positional embedding."""

import graphtorch as gt
from graphtorch import nn


class Encoder(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x):
        y = self.norm1(x)
        y, _ = self.attn(y, y, y)
        x = x + y
        return x + self.fc2(self.act(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, size=32, patch=8, dim=40, heads=5, num_classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.cls = nn.Parameter(gt.zeros(1, 1, dim))
        self.pos = nn.Parameter(gt.zeros(1, (size // patch) ** 2 + 1, dim))
        self.encoder = nn.Sequential(Encoder(dim, heads), Encoder(dim, heads))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, img):
        x = self.patches(img).flatten(2).transpose(1, 2)
        cls = self.cls.expand(x.shape[0], -1, -1)
        x = gt.cat([cls, x], dim=1)
        x = self.encoder(x + self.pos)
        return self.head(self.norm(x[:, 0]))


def model():
    return ViT()


def inputs():
    return (gt.zeros(2, 3, 32, 32),)


def targets():
    return gt.zeros(2, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
