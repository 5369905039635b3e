"""The order of a pass: what the sampler gives, under random streams of its own, and again when the pass is resumed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from graphtorch.frontend.random import Generator
from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.utils.data.streams import mix, own_streams, restore, states

#: the number of the sampler's stream; those of batches are above
_SAMPLER = -1


class Order:
    """Iterates over a sampler; its draws from the shared generators depend on ``seed`` alone.

    Samplers of this package draw when iteration begins; others may draw at each step, so they get their streams for it.
    """

    def __init__(self, batches: Iterable[Any], seed: int) -> None:
        self._steps = not _draws_at_once(batches)
        with own_streams(mix(seed, _SAMPLER + 1)):
            self._iterator = iter(batches)
            self._kept = states() if self._steps else None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._kept is None:
            return next(self._iterator)
        outside = states()
        try:
            restore(self._kept)
            return next(self._iterator)
        finally:
            self._kept = states()
            restore(outside)


def _draws_at_once(batches: Any) -> bool:
    own = type(batches).__module__.startswith("graphtorch.") or type(batches) in (list, tuple, range)
    return own and (not hasattr(batches, "sampler") or _draws_at_once(batches.sampler))


class Memory:
    """What an order depends on besides a seed: generators that samplers hold, and samplers' own states."""

    def __init__(self, generator: Generator | None, *samplers: Any) -> None:
        found = [s for sampler in samplers for s in (sampler, getattr(sampler, "sampler", None)) if s is not None]
        self._samplers = [s for s in found if hasattr(s, "state_dict") and hasattr(s, "load_state_dict")]
        generators = [generator, *(getattr(s, "generator", None) for s in found)]
        self._generators = list({id(g): g for g in generators if isinstance(g, Generator)}.values())

    def save(self) -> dict[str, Any]:
        """The states, as plain data."""
        return {
            "generators": [g.get_state().tolist() for g in self._generators],
            "samplers": [copy.deepcopy(s.state_dict()) for s in self._samplers],
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Go on from states that `save` gave."""
        self.load_generators(kept)
        for sampler, state in zip(self._samplers, kept["samplers"], strict=True):
            sampler.load_state_dict(copy.deepcopy(state))

    def load_generators(self, kept: dict[str, Any]) -> None:
        """Go on from the generators' states alone."""
        for generator, state in zip(self._generators, kept["generators"], strict=True):
            generator.set_state(_state(state))


def _state(words: list[int]) -> Tensor:
    return as_tensor_of(np.array(words, np.int64))
