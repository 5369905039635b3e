"""Data sets and their batches, under torch's names: ``from graphtorch.utils.data import DataLoader``."""

from graphtorch.utils.data.collate import default_collate, default_convert
from graphtorch.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
)
from graphtorch.utils.data.distributed import DistributedSampler
from graphtorch.utils.data.failures import WorkerError, WorkerTimeout, WorkerTraceback
from graphtorch.utils.data.loader import DataLoader
from graphtorch.utils.data.making import get_worker_info
from graphtorch.utils.data.progress import progress_bar
from graphtorch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from graphtorch.utils.data.split import random_split

__all__ = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "Dataset", "DistributedSampler", "IterableDataset",
    "RandomSampler", "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset",
    "WeightedRandomSampler", "WorkerError", "WorkerTimeout", "WorkerTraceback", "default_collate",
    "default_convert", "get_worker_info", "progress_bar", "random_split",
]  # fmt: skip
