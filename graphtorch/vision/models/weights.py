"""``weights`` of the constructors: which file a model takes its parameters from.

- None: none, the parameters are drawn.
- A path: a file that `graphtorch.load` reads, with a state_dict. Other arguments are those of the model that was saved.
- A member of an enumeration of `published`, or its name ("IMAGENET1K_V1", "DEFAULT"): the file that torchvision
  publishes. It is kept in ``checkpoints`` of `graphtorch.hub.get_dir`, and downloaded if it is not there. Offline that
  is DownloadError GT910, which says where to put the file.
- ``pretrained=True`` is torchvision's older word for "DEFAULT".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import graphtorch as gt
from graphtorch import nn
from graphtorch.frontend.nn import init
from graphtorch.hub import load_state_dict_from_url
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.vision.models.published import WEIGHTS, File, WeightsEnum

Source = str | os.PathLike[str] | WeightsEnum | None
M = TypeVar("M", bound=nn.Module)


def build(
    name: str, make: Callable[..., M], weights: Source, progress: bool, pretrained: bool = False, **kwargs: Any
) -> M:
    """``make(**kwargs)`` with the parameters that ``weights`` means for the model ``name``; see above.

    Nothing is drawn where a file replaces it. ``progress`` shows a bar for a download. StateError GT701 for a file of
    another model, or with another number of classes.
    """
    state = _state(name, "DEFAULT" if pretrained and weights is None else weights, progress)
    if state is None:
        return make(**kwargs)
    check(
        isinstance(state, Mapping),
        "GT301",
        f"{weights} holds a {type(state).__name__}",
        "expected a state_dict; a whole module needs no constructor: gt.load gives it",
        kind=ArgumentTypeError,
    )
    with init.skipped():
        model = make(**kwargs)
    model.load_state_dict(state)
    return model


def renamed(state: Mapping[str, Any], old: str, new: str) -> Mapping[str, Any]:
    """``state`` with the pattern ``old`` in its keys replaced by ``new``; what is no mapping stays what it is."""
    return {re.sub(old, new, key): value for key, value in state.items()} if isinstance(state, Mapping) else state


def published(name: str, weights: Any) -> File | None:
    """What is known of ``weights`` of the model ``name``, if torchvision published them, under any path."""
    member = _member(name, weights)
    if member is not None:
        return member.value
    base = Path(weights).name if isinstance(weights, str | os.PathLike) else None
    return next((kind.value for kind in WEIGHTS.get(name, ()) if kind.value.name == base), None)


def _member(name: str, weights: Any) -> Any:
    """The member of the enumeration of ``name`` that ``weights`` is or names."""
    kinds = WEIGHTS.get(name)
    if isinstance(weights, WeightsEnum):
        expected = f"expected a member of {kinds.__name__}" if kinds else f"nobody publishes weights of {name}"
        own = kinds is not None and isinstance(weights, kinds)
        check(own, "GT304", f"weights={weights!r} are not for {name}", expected, kind=ArgumentError)
        return weights
    return kinds.__members__.get(weights) if kinds and isinstance(weights, str) else None


def _state(name: str, weights: Any, progress: bool) -> Any:
    """What the file holds that ``weights`` mean, which may have to be downloaded; None for no weights."""
    if weights is None:
        return None
    member = _member(name, weights)
    if member is not None:
        return load_state_dict_from_url(member.url, progress=progress, check_hash=True)
    if not isinstance(weights, str | os.PathLike):
        got = f"weights must be a path, the name of published weights or None, got {type(weights).__name__} {weights!r}"
        raise ArgumentTypeError("GT301", got)
    names = [f'"{n}"' for n in WEIGHTS[name].__members__] if name in WEIGHTS else []
    check(
        Path(weights).exists(),
        "GT304",
        f"weights={os.fspath(weights)!r} is not a file",
        f"expected {' or '.join(['the path of a file that gt.load reads', *names])}",
        kind=ArgumentError,
    )
    return gt.load(weights)
