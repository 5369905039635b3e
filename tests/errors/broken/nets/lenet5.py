"""LeNet-5 (Y. LeCun et al., 1998), with the functions of today."""

import graphtorch as gt
from graphtorch import nn
from graphtorch.nn import functional as F


class LeNet5(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = gt.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def model():
    return LeNet5()


def inputs():
    return (gt.zeros(4, 1, 28, 28),)


def targets():
    return gt.zeros(4, dtype=gt.int64)


loss = F.cross_entropy
