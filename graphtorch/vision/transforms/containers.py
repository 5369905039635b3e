"""Transforms of transforms: one after the other, in random order, or some of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from graphtorch import nn
from graphtorch.vision.transforms import draws
from graphtorch.vision.transforms.functional.images import as_number, as_probability, refused, wrong_type

Transform = Callable[[Any], Any]


def _listed(name: str, lines: Sequence[object], last: str = ")") -> str:
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), last])


def _check(transforms: Any) -> None:
    if not isinstance(transforms, Sequence | nn.ModuleList):
        raise wrong_type("transforms", transforms, "a sequence of transforms")
    for position, transform in enumerate(transforms):
        if not callable(transform):
            raise wrong_type(f"transforms[{position}]", transform, "callable")


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        _check(transforms)
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class Lambda:
    """A function as a transform. Worker processes that are not forked cannot get a ``lambda``: give them a ``def``."""

    def __init__(self, lambd: Transform) -> None:
        if not callable(lambd):
            raise wrong_type("lambd", lambd, "callable")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """The base of what holds a list of transforms."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        _check(transforms)
        self.transforms = transforms

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__call__")

    def __repr__(self) -> str:
        return _listed(type(self).__name__, self.transforms)


class RandomApply(nn.Module):
    """All of ``transforms``, one after the other, with probability ``p``; else none."""

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5) -> None:
        super().__init__()
        _check(transforms)
        self.transforms = transforms
        self.p = as_probability(p)

    def forward(self, img: Any) -> Any:
        if not draws.chance(self.p):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listed(type(self).__name__, [f"p={self.p}", *self.transforms])


class RandomOrder(RandomTransforms):
    """All of ``transforms`` in a random order."""

    def __call__(self, img: Any) -> Any:
        for i in draws.order(len(self.transforms)):
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of ``transforms``; ``p`` are their weights, all the same unless given."""

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if not len(transforms):
            raise refused("transforms", transforms, "at least one")
        if p is not None and not isinstance(p, Sequence):
            raise wrong_type("p", p, "a sequence of numbers")
        weights = [as_number(v, f"p[{i}]", 0) for i, v in enumerate(p or ())]
        if p is not None and (len(p) != len(transforms) or sum(weights) <= 0):
            raise refused("p", p, f"{len(transforms)} weights, one for each transform, and not all 0")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        shares = list(accumulate(self.p or [1] * len(self.transforms)))
        number = bisect_right(shares, draws.uniform(0, shares[-1]))
        return self.transforms[number](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
