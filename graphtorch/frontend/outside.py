"""What belongs outside of compiled functions: calls that change more than tensors, and do it at every call."""

from __future__ import annotations

from graphtorch.ir import bind
from graphtorch.ir.errors import TraceError


def only_outside(what: str, instead: str) -> None:
    """TraceError GT605 in a trace: ``what`` would happen once, when the function is compiled, and never again."""
    if bind.current().tracing:
        raise TraceError(
            "GT605",
            f"{what} in a compiled function would happen once, while it is traced, and not at every call",
            [instead],
        )
