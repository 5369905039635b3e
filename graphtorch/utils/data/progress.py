"""A bar that shows how far a loop is: tqdm's, which is imported when it is needed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def progress_bar(
    batches: Iterable[T],
    description: str = "",
    *,
    total: int | None = None,
    initial: int = 0,
    always: bool = False,
) -> Iterator[T]:
    """``batches``, with a bar on standard error that begins at ``initial`` of ``total``, or of ``len(batches)``.

    It shows where standard error is a terminal, or ``always``. Without tqdm (``pip install 'graphtorch[cli]'``) a
    warning says that there is no bar, and the loop runs.
    """
    if not (always or sys.stderr.isatty()):
        return iter(batches)
    try:
        from tqdm import tqdm
    except ImportError:
        warnings.warn("there is no progress bar without tqdm: pip install 'graphtorch[cli]'", stacklevel=3)
        return iter(batches)
    shown: Any = tqdm(batches, desc=description or None, total=total, initial=initial, unit="batch", file=sys.stderr)
    return iter(shown)
