"""While a model is diagnosed, its tracer is told of every call of a public function."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir import op as ops

_lock = threading.Lock()
_runs = 0


@contextmanager
def intercepted() -> Iterator[None]:
    """In the block tracers that diagnose are told of public functions; several may run, in several threads."""
    global _runs
    with _lock:
        _runs += 1
        ops.intercept = _intercept
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            ops.intercept = _intercept if _runs else None


def _intercept(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    tracer: Any = bind.current()
    return tracer.called(name, args, kwargs) if tracer.diagnoses else (args, kwargs)
