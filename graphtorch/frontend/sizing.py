"""What a program has of named sizes: an example of each, where they are found at a call, and for which it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.dim import Guard, Guards
from graphtorch.ir.loc import Loc

#: guards that are told of
_MANY = 4


@dataclass(frozen=True)
class Place:
    """Where a named size is found: dimension ``dim`` of the tensor number ``position`` of a call."""

    argument: str
    position: int
    dim: int
    name: str


@dataclass(frozen=True)
class Sizing:
    """The named sizes of one program; none where all sizes are known."""

    examples: Mapping[str, int]
    places: Sequence[Place]
    guards: Guards

    def of(self, tensors: Sequence[Tensor]) -> dict[str, int]:
        """The sizes at a call."""
        return {p.name: tensors[p.position].aval.shape[p.dim] for p in self.places}

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the program is right for them."""
        return self.guards.hold(sizes)

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether the program is right for them, and for others."""
        return not self.guards.pinned and self.guards.hold(sizes)

    def lines(self) -> list[str]:
        """The guards, each with the user's line that asked."""
        return [_asked(guard, loc) for guard, loc in self.guards.asked.items()]

    def pinning(self) -> str:
        """Which names stand for one size, and why."""
        found = [_asked(g, loc) for g, loc in self.guards.asked.items() if g.pinned]
        more = [f"and {len(found) - _MANY} more"] if len(found) > _MANY else []
        return (
            f"{', '.join(sorted(self.guards.pinned))} stands for one size alone: {'; '.join([*found[:_MANY], *more])}"
        )


def _asked(guard: Guard, loc: Loc | None) -> str:
    return f"{guard}" if loc is None else f"{guard} ({loc.file}:{loc.line}  {loc.source()})"


NO_SIZES = Sizing({}, (), Guards())
