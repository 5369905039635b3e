"""graphtorch.cuda: GPUs, as torch.cuda has them."""

from __future__ import annotations

from graphtorch.frontend.cuda import (
    Event,
    Stream,
    current_device,
    current_stream,
    default_stream,
    device,
    device_count,
    empty_cache,
    get_device_capability,
    get_device_name,
    get_device_properties,
    is_available,
    manual_seed,
    manual_seed_all,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    reset_peak_memory_stats,
    set_device,
    set_stream,
    stream,
    synchronize,
    why_unavailable,
)
from graphtorch.ir.errors import OutOfMemoryError

__all__ = [
    "Event", "OutOfMemoryError", "Stream", "current_device", "current_stream", "default_stream", "device",
    "device_count", "empty_cache", "get_device_capability", "get_device_name", "get_device_properties", "is_available",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "memory_allocated",
    "memory_reserved", "reset_peak_memory_stats", "set_device", "set_stream", "stream", "synchronize",
    "why_unavailable",
]  # fmt: skip
