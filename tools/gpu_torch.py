"""torch on the GPU, where it is installed: the same functions, eager and compiled."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Torch:
    torch: Any
    compiled: bool

    @classmethod
    def found(cls, compiled: bool) -> Torch | None:
        """None where there is no torch, or it sees no GPU. Its products are float32's, not TF32's."""
        try:
            torch = importlib.import_module("torch")
        except ImportError:
            return None
        if not torch.cuda.is_available():
            return None
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        return cls(torch, compiled)

    @property
    def version(self) -> str:
        return str(self.torch.__version__)

    def times(
        self, function: Callable[..., Any], arrays: Sequence[Array], expected: Array, samples: int
    ) -> dict[str, list[float]]:
        """Microseconds of each sample, for each way to run ``function(F, *tensors)``.

        RuntimeError where the results are not ``expected``, ours, to a relative 1e-4.
        """
        torch = self.torch
        torch.compiler.reset()  # it gives up on a function that it has compiled for many kinds of arguments
        tensors = [torch.from_numpy(a).cuda() for a in arrays]

        def eager(*args: Any) -> Any:
            return function(torch.nn.functional, *args)

        ways = {"eager": eager, **({"compile": torch.compile(eager, dynamic=False)} if self.compiled else {})}
        with torch.no_grad():
            self._compare(eager(*tensors), torch.from_numpy(expected).cuda())
            return {name: self._measure(way, tensors, samples) for name, way in ways.items()}

    def _compare(self, got: Any, expected: Any) -> None:
        want = got.double()
        distance = float((expected.double() - want).norm() / want.norm())
        if not distance < 1e-4:
            raise RuntimeError(f"ours is not torch's result: relative distance {distance}")

    def _measure(self, way: Callable[..., Any], tensors: Sequence[Any], samples: int) -> list[float]:
        cuda = self.torch.cuda
        for _ in range(3):
            way(*tensors)
        cuda.synchronize()
        found = []
        for _ in range(samples):
            start, end = (cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            way(*tensors)
            end.record()
            end.synchronize()
            found.append(start.elapsed_time(end) * 1000)
        return [float(x) for x in np.asarray(found)]
