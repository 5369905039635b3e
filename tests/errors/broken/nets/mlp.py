"""A perceptron on flattened images."""

import graphtorch as gt
from graphtorch import nn


class MLP(nn.Module):
    def __init__(self, hidden=128):
        super().__init__()
        self.flatten = nn.Flatten()
        self.layers = nn.Sequential(
            nn.Linear(28 * 28, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, x):
        x = self.flatten(x)
        return self.layers(x)


def model():
    return MLP()


def inputs():
    return (gt.zeros(6, 1, 28, 28),)


def targets():
    return gt.zeros(6, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
