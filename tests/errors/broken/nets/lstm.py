"""A classifier of texts by the last state of an LSTM."""

import graphtorch as gt
from graphtorch import nn

VOCABULARY, LENGTH = 503, 17


class LSTMClassifier(nn.Module):
    def __init__(self, embed_dim=24, hidden_dim=40, num_class=6):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, embed_dim)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, num_layers=2, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(2 * hidden_dim)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(2 * hidden_dim, num_class)

    def forward(self, text):
        x = self.embedding(text)
        output, _ = self.lstm(x)
        x = self.norm(output[:, -1])
        return self.fc(self.dropout(x))


def model():
    return LSTMClassifier()


def inputs():
    return (gt.zeros(5, LENGTH, dtype=gt.int64),)


def targets():
    return gt.zeros(5, dtype=gt.int64)


loss = nn.CrossEntropyLoss()
