"""``weights`` of the constructors: which file a model takes its parameters from.

- None: none, the parameters are drawn.
- A path: a file that `graphtorch.load` reads, with a state_dict. Other arguments are those of the model that was saved.
- A member of an enumeration of `published`, or the name of one ("IMAGENET1K_V1", "DEFAULT"): the file that torchvision
  publishes. graphtorch downloads no weights; it looks in the folder where torch keeps them, ``hub/checkpoints`` in
  ``$TORCH_HOME``, by default ``~/.cache/torch``. StateError GT709 says which file is missing there.
- ``pretrained=True`` is torchvision's older word for "DEFAULT".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.nn import init
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, StateError, check
from graphtorch.vision.models.published import WEIGHTS, File, WeightsEnum

Source = str | os.PathLike[str] | WeightsEnum | None
M = TypeVar("M", bound=nn.Module)


def build(name: str, make: Callable[..., M], weights: Source, pretrained: bool = False, **kwargs: Any) -> M:
    """``make(**kwargs)`` with the parameters that ``weights`` means for the model ``name``; see above.

    Drawn parameters are not computed where a file replaces them.
    """
    path = _path(name, "DEFAULT" if pretrained and weights is None else weights)
    if path is None:
        return make(**kwargs)
    state = gt.load(path)
    check(
        isinstance(state, Mapping),
        "GT301",
        f"{path} holds a {type(state).__name__}",
        "expected a state_dict; a whole module needs no constructor: gt.load gives it",
        kind=ArgumentTypeError,
    )
    with init.skipped():
        model = make(**kwargs)
    model.load_state_dict(state)
    return model


def published(name: str, weights: Any) -> File | None:
    """What is known of ``weights`` of the model ``name``, if torchvision published them, under any path."""
    kinds = WEIGHTS.get(name)
    if kinds is None or weights is None:
        return None
    if isinstance(weights, kinds):
        return weights.value
    if weights in kinds.__members__:
        return kinds[weights].value
    base = os.path.basename(os.fspath(weights)) if isinstance(weights, str | os.PathLike) else None
    return next((kind.value for kind in kinds if kind.value.name == base), None)


def _path(name: str, weights: Any) -> Path | None:
    if weights is None:
        return None
    kinds = WEIGHTS.get(name)
    known = isinstance(weights, WeightsEnum) or (kinds is not None and weights in kinds.__members__)
    if known:
        return _in_cache(name, weights)
    if not isinstance(weights, str | os.PathLike):
        raise ArgumentTypeError(
            "GT301",
            f"weights must be a path, the name of published weights or None, got {type(weights).__name__} {weights!r}",
        )
    path = Path(weights)
    names = f", or one of {', '.join(kinds.__members__)}" if kinds else ""
    check(
        path.exists(),
        "GT304",
        f"weights={os.fspath(weights)!r} is not a file",
        f"expected the path of a file that gt.load reads{names}",
        kind=ArgumentError,
    )
    return path


def _in_cache(name: str, weights: WeightsEnum | str) -> Path:
    """The published file, where torch keeps it; StateError GT709 if it is not there."""
    kinds = WEIGHTS[name]
    member = kinds[weights] if isinstance(weights, str) else weights
    check(
        isinstance(member, kinds),
        "GT304",
        f"weights={member!r} are not for {name}",
        f"expected a member of {kinds.__name__}",
        kind=ArgumentError,
    )
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    path = Path(home).expanduser() / "hub" / "checkpoints" / member.value.name
    if not path.exists():
        raise StateError(
            "GT709",
            f"the published weights of {name} are not on this machine, and graphtorch downloads none",
            [f"expected {path}", f"it is {member.url}", f'or give the path of the file: {name}(weights="...")'],
        )
    return path
