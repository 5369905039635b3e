"""The libraries that are timed, one file each.

A file has ``build(work, variant, threads, model_file) -> step``: ``step()`` does one step and gives its result (the
loss, or the output) as a numpy array. What a library compiles, it compiles in the first call of ``step``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from benchmarks.workloads import OPS, Workload

Step = Callable[[], Any]
ALL = ("train", "infer", *OPS)


@dataclass(frozen=True)
class Peer:
    """``file`` is the module beside this one; ``packages`` must be installed; ``images``: takes 4-d inputs only."""

    name: str
    file: str
    packages: tuple[str, ...]
    kinds: tuple[str, ...] = ALL
    images: bool = False
    default: bool = True

    def takes(self, work: Workload) -> bool:
        return work.kind in self.kinds and not (self.images and len(work.shapes[0]) != 4)

    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def version(self) -> str:
        return f"{self.packages[0]} {metadata.version(self.packages[0])}"

    def build(self, work: Workload, threads: int, model_file: str) -> Step:
        module = importlib.import_module(f"benchmarks.peers.{self.file}")
        return module.build(work, self.name, threads, model_file)  # type: ignore[no-any-return]


OURS = "graphtorch"
PEERS = (
    Peer(OURS, "graphtorch", ("graphtorch",)),
    Peer("graphtorch-winograd", "graphtorch", ("graphtorch",), ("train", "conv")),
    Peer("graphtorch-eager", "graphtorch", ("graphtorch",), default=False),
    Peer("torch", "torch", ("torch",)),
    Peer("torch.compile", "torch", ("torch",)),
    Peer("channels_last", "torch", ("torch",), images=True),
    Peer("jax", "jax", ("jax",)),
    Peer("onnxruntime", "onnxruntime", ("onnxruntime", "onnx"), ("infer",)),
    Peer("openvino", "openvino", ("openvino", "onnx"), ("infer",)),
)
BY_NAME = {peer.name: peer for peer in PEERS}
#: what results are checked against: the first that is installed
REFERENCES = ("torch", "graphtorch-eager")
INSTALL = 'pip install -e ".[bench]"'
