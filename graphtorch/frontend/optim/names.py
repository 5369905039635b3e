"""Parameters with names: what `Module.named_parameters` gives may be given to an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch.ir.errors import ArgumentError, check


def take_names(given: Sequence[Any], groups: Sequence[dict[str, Any]]) -> tuple[list[Any], dict[str, list[str]]]:
    """Parameters, and the option "param_names" of their group if they come as pairs of a name and a tensor.

    ArgumentError GT304 where some have a name and others do not, within ``given`` or in the groups before.
    """
    named = [isinstance(item, tuple) and len(item) == 2 for item in given]
    before = any("param_names" in group for group in groups)
    wanted = before if groups else any(named)
    for position, has in enumerate(named):
        check(
            has is wanted,
            "GT304",
            f"params[{position}] comes {'with' if has else 'without'} a name, unlike others",
            "expected all as pairs of a name and a tensor, or none",
            kind=ArgumentError,
        )
    if not wanted:
        return list(given), {}
    return [tensor for _, tensor in given], {"param_names": [name for name, _ in given]}
