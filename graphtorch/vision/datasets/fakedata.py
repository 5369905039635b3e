"""Images that are noise, for trying out a program without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphtorch.frontend.random import Generator, randint, randn
from graphtorch.ir.errors import ArgumentError, IndexRangeError
from graphtorch.vision.datasets.vision import Function, VisionDataset
from graphtorch.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """``size`` images of noise, [channels, height, width] ``image_size``, in ``num_classes`` classes.

    Samples are (image of Pillow, class). Sample i is always the same: it comes from the seed i + ``random_offset``, and
    leaves the default generator alone. ArgumentError GT304 for sizes that are not above 0.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: Sequence[int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Function | None = None,
        target_transform: Function | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        for name, value, least in (("size", size, 0), ("num_classes", num_classes, 1)):
            if not isinstance(value, int) or value < least:
                raise ArgumentError("GT304", f"{name}={value!r} is not allowed", [f"expected an int, at least {least}"])
        if len(image_size) != 3 or not all(isinstance(n, int) and n > 0 for n in image_size):
            facts = ["expected (channels, height, width)"]
            raise ArgumentError("GT304", f"image_size={image_size!r} is not allowed", facts)
        self.size, self.image_size, self.num_classes = size, image_size, num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < len(self):
            facts = [f"expected 0 <= index < {len(self)}"]
            raise IndexRangeError("GT302", f"index={index} is out of range", facts)
        generator = Generator().manual_seed(index + self.random_offset)
        image = to_pil_image(randn(*self.image_size, generator=generator))
        target = int(randint(0, self.num_classes, (1,), generator=generator).item())
        return self._sample(image, target)

    def __len__(self) -> int:
        return self.size
