"""Whether autocast is on in this thread, for whoever keeps programs or plans by what there is to be computed."""

from __future__ import annotations

import threading

from graphtorch.ir.types import DType

#: (type of device, dtype) of those that it is on for, in order
Active = tuple[tuple[str, DType], ...]


class _Mode(threading.local):
    active: Active = ()


mode = _Mode()


class suspended:
    """Within the block nothing is cast."""

    def __enter__(self) -> None:
        self._before, mode.active = mode.active, ()

    def __exit__(self, *_: object) -> None:
        mode.active = self._before
