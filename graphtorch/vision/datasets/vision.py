"""What data sets of images have in common: transforms of samples, and a repr."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from graphtorch.ir.errors import ArgumentError, ArgumentTypeError
from graphtorch.utils.data import Dataset

Function = Callable[..., Any]


class StandardTransform:
    """``transform`` for the image, ``target_transform`` for its target; None leaves it."""

    def __init__(self, transform: Function | None = None, target_transform: Function | None = None) -> None:
        self.transform, self.target_transform = transform, target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        """The image and its target, transformed."""
        image = input if self.transform is None else self.transform(input)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        parts = (("Transform: ", self.transform), ("Target transform: ", self.target_transform))
        lines = [type(self).__name__]
        for head, part in parts:
            text = [] if part is None else repr(part).splitlines()
            lines += [(" " * len(head) if i else head) + line for i, line in enumerate(text)]
        return "\n".join(lines)


class VisionDataset(Dataset[Any]):
    """The base of data sets of images: ``root`` is their folder.

    ``transform`` is called with each image and ``target_transform`` with each target; or ``transforms`` with both, and
    gives both. ArgumentError GT304 for ``transforms`` along with one of the others.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Function | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        given = (("transforms", transforms), ("transform", transform), ("target_transform", target_transform))
        for name, function in given:
            if function is not None and not callable(function):
                got = f"{name} must be callable, got {type(function).__name__} {function!r}"
                raise ArgumentTypeError("GT301", got)
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            facts = ["expected either one that takes image and target, or those for each alone"]
            raise ArgumentError("GT304", "transforms was given along with transform or target_transform", facts)
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform, self.target_transform = transform, target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")

    def _sample(self, image: Any, target: Any) -> tuple[Any, Any]:
        """A sample, transformed; ``transform`` may have been assigned since."""
        return StandardTransform(self.transform, self.target_transform)(image, target)

    def extra_repr(self) -> str:
        """Further lines of the repr."""
        return ""

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        body += [] if self.root is None else [f"Root location: {self.root}"]
        body += self.extra_repr().splitlines()
        body += [] if self.transforms is None else [repr(self.transforms)]
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * self._repr_indent + line for line in body)])
