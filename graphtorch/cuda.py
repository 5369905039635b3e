"""graphtorch.cuda: what programs ask of torch.cuda before they choose a device. No GPU holds tensors so far."""

from __future__ import annotations

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all"]


def is_available() -> bool:
    """False: there is no CUDA runtime, also where there is a GPU (``device("cuda")`` is refused with GT402)."""
    return False


def device_count() -> int:
    """0, as `is_available` says."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing, as in torch where there is no GPU: `graphtorch.manual_seed` seeds all generators."""


def manual_seed_all(seed: int) -> None:
    """Nothing, as `manual_seed`."""


def empty_cache() -> None:
    """Nothing: no memory of a GPU is kept."""
