"""A net for CIFAR-10: three convolutions with poolings, and two linear layers."""

import graphtorch as gt
from graphtorch import nn


def model():
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.Linear(64, 10),
    )


def inputs():
    return (gt.zeros(4, 3, 32, 32),)


def targets():
    return gt.zeros(4, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
