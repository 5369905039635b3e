"""All broken programs."""

from __future__ import annotations

from tests.errors.broken.decoders import DECODERS
from tests.errors.broken.images import IMAGES
from tests.errors.broken.sequences import SEQUENCES

CORPUS = [*IMAGES, *SEQUENCES, *DECODERS]
