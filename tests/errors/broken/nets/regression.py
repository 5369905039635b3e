"""Matrix factorisation written without layers: users and items are rows of two tables."""

import graphtorch as gt
from graphtorch import nn


class Recommender(nn.Module):
    def __init__(self, users=50, items=70, factors=12):
        super().__init__()
        self.users = nn.Embedding(users, factors)
        self.items = nn.Embedding(items, factors)
        self.weight = nn.Parameter(gt.zeros(5, factors))
        self.bias = nn.Parameter(gt.zeros(5))
        self.scale = nn.Bilinear(factors, factors, 5)
        self.out = nn.Linear(5, 1)

    def forward(self, user, item):
        u, i = self.users(user), self.items(item)
        mixed = gt.matmul(u * i, self.weight.t()) + self.bias
        h = gt.relu(mixed + self.scale(u, i))
        return self.out(h).squeeze(1)


def model():
    return Recommender()


def inputs():
    return gt.zeros(9, dtype=gt.int64), gt.zeros(9, dtype=gt.int64)


def targets():
    return gt.zeros(9)


loss = nn.MSELoss()
