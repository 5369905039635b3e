"""Data sets of images, under torchvision's names: docs/vision.md."""

from graphtorch.vision.datasets.cifar import CIFAR10, CIFAR100
from graphtorch.vision.datasets.fakedata import FakeData
from graphtorch.vision.datasets.folder import DatasetFolder, ImageFolder
from graphtorch.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST
from graphtorch.vision.datasets.vision import StandardTransform, VisionDataset

__all__ = [
    "CIFAR10", "CIFAR100", "KMNIST", "MNIST", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder",
    "StandardTransform", "VisionDataset",
]  # fmt: skip
