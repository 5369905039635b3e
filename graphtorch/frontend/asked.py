"""What a trace asks of its arguments beyond their types; its program is good for calls that answer alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend.assignments import NOTHING
from graphtorch.frontend.contents import snapshot
from graphtorch.frontend.tensor import Tensor, user_attributes


class Asked:
    """Something asked of the argument at ``position``: what ``read`` gave for ``tensor``."""

    def __init__(self, name: str, position: int, read: Callable[[Tensor], Any], tensor: Tensor) -> None:
        self.name, self._position, self._read, self._tensor = name, position, read, tensor
        self.value = read(tensor)  # kept, so that its id comes to mean no other object
        self._seen = snapshot(self.value)

    def unchanged(self) -> bool:
        """Whether the argument of the trace would still answer so."""
        return bool(snapshot(self._read(self._tensor)) == self._seen)

    def holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether that of a call does."""
        return bool(snapshot(self._read(tensors[self._position])) == self._seen)


class Questions:
    """Those of one trace."""

    def __init__(self) -> None:
        self._actual: dict[int, tuple[int, Tensor]] = {}
        self._asked: dict[tuple[int, str], Asked] = {}

    def stands_for(self, stand_in: Tensor, position: int, actual: Tensor) -> None:
        self._actual[id(stand_in)] = position, actual

    def actual(self, stand_in: Tensor | None) -> Tensor | None:
        """The argument behind a stand-in; None for one that stands for a TensorSpec."""
        return self._actual[id(stand_in)][1] if id(stand_in) in self._actual else None

    def all(self) -> list[Asked]:
        return list(self._asked.values())

    def attribute(self, t: Tensor, name: str) -> Any:
        """What the user has put there; `NOTHING` for none, as for what is no argument."""
        return self._ask(t, f"the attribute {name}", lambda actual: user_attributes(actual).get(name, NOTHING))

    def layout(self, t: Tensor) -> Any:
        """Strides and offset of an argument; `NOTHING` for what is none."""
        return self._ask(t, "the layout", lambda actual: actual._layout())

    def alone(self, t: Tensor) -> bool:
        """Whether an argument is all of its storage."""
        return bool(self._ask(t, "the storage", _is_alone))

    def _ask(self, t: Tensor, what: str, read: Callable[[Tensor], Any]) -> Any:
        if id(t) not in self._actual:
            return NOTHING
        position, actual = self._actual[id(t)]
        asked = Asked(f"{what} of an argument", position, read, actual)
        return self._asked.setdefault((position, what), asked).value


def _is_alone(t: Tensor) -> bool:
    memory = t._storage.array
    return memory is not None and memory.size == t.numel()
