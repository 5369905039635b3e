"""A classifier of texts by the mean of their words' embeddings."""

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import functional as F


class TextClassifier(nn.Module):
    def __init__(self, vocab_size=301, embed_dim=32, num_class=4):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim)
        self.fc1 = nn.Linear(embed_dim, 16)
        self.fc2 = nn.Linear(16, num_class)

    def forward(self, text, offsets):
        x = self.embedding(text, offsets)
        return self.fc2(F.relu(self.fc1(x)))


def model():
    return TextClassifier()


def inputs():
    return gt.zeros(23, dtype=gt.int64), gt.tensor([0, 7, 12])


def targets():
    return gt.zeros(3, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
