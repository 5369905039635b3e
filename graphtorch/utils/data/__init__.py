"""Data sets and their batches, under torch's names: ``from graphtorch.utils.data import DataLoader``."""

from graphtorch.utils.data.dataset import Dataset, Subset, TensorDataset, random_split
from graphtorch.utils.data.loader import DataLoader, default_collate
from graphtorch.utils.data.sampler import RandomSampler, Sampler, SequentialSampler

__all__ = [
    "DataLoader", "Dataset", "RandomSampler", "Sampler", "SequentialSampler", "Subset", "TensorDataset",
    "default_collate", "random_split",
]  # fmt: skip
