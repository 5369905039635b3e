"""What a DataLoader costs the process that trains, beside torch's: CPU time, and the time to the first batch.

    python -m benchmarks.data_loading

Samples are one float32 array, made once, so that all there is to a batch is collation and its way here. Least of
`ROUNDS` passes, of the two libraries in turn.
"""

from __future__ import annotations

import importlib
import time
from types import ModuleType
from typing import Any

import numpy as np

ROUNDS = 7
BATCH = 32
#: elements of a sample, and batches of a pass
SIZES = ((3 * 32 * 32, 60), (3 * 224 * 224, 20))


def data_set(lib: ModuleType, data: Any, size: int, count: int) -> Any:
    """``count`` times the same tensor, with its number."""
    sample = np.zeros(size, np.float32)

    class Same(data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> Any:
            return lib.from_numpy(sample), index

    return Same()


def one_pass(loader: Any) -> tuple[float, float]:
    """CPU seconds of this process for a batch, and seconds to the first one, which is not in that."""
    began = time.perf_counter()
    batches = iter(loader)
    next(batches)
    first, cpu, count = time.perf_counter() - began, time.process_time(), 0
    for _ in batches:
        count += 1
    return (time.process_time() - cpu) / count, first


def main() -> None:
    libs = {name: importlib.import_module(name) for name in ("graphtorch", "torch")}
    print("| batch MB | workers | | CPU ms of a batch | first batch ms |\n|---|---|---|---|---|")
    for size, batches in SIZES:
        for workers in (0, 1, 2):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in libs}
            for _ in range(ROUNDS):
                for name, lib in libs.items():
                    data = importlib.import_module(f"{name}.utils.data")
                    samples = data_set(lib, data, size, BATCH * batches)
                    found[name].append(one_pass(data.DataLoader(samples, BATCH, num_workers=workers)))
            for name, passes in found.items():
                cpu, first = (min(column) * 1e3 for column in zip(*passes, strict=True))
                print(f"| {size * 4 * BATCH / 1e6:.1f} | {workers} | {name} | {cpu:.2f} | {first:.0f} |", flush=True)


if __name__ == "__main__":
    main()
