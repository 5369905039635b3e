"""What a trace shows of a training step: whose parameters got gradients, and which optimizers updated them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.diagnosis.paths import FLAT, Paths, paths_from
from graphtorch.frontend.diagnosis.unregistered import Unregistered, Walk, unregistered_in
from graphtorch.frontend.nn.module import Module, join
from graphtorch.frontend.notes import Event, Notes
from graphtorch.frontend.optim.optimizer import alive
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.loc import Loc
from graphtorch.ir.op import OPS

if TYPE_CHECKING:
    from graphtorch.frontend.tracer import Tracer


@dataclass(frozen=True)
class Held:
    """A parameter of a model: its qualified name, the module that holds it, and the model."""

    tensor: Tensor
    name: str
    module: Module
    model: Module


def within(loc: Loc | None, held: Sequence[Held]) -> Loc | None:
    """``loc`` with the path of the module that holds all of ``held``; as it is where several do."""
    paths = {h.name.rpartition(".")[0] for h in held}
    return loc if loc is None or len(paths) != 1 else replace(loc, path=paths.pop())


class Step:
    """One traced step.

    ``models`` are all models of the step with a name for each (only names of several are shown). ``optimizers`` are
    those that made a step, and ``given`` ones. ``before`` are the notes of the function's earlier programs; None where
    what was traced is all that there is to see.
    """

    def __init__(
        self,
        tracer: Tracer,
        models: Sequence[tuple[str, Module]],
        given: Sequence[Any] = (),
        before: Sequence[Notes] | None = None,
    ) -> None:
        self.tracer, self.notes, self.before = tracer, tracer.notes, before
        self.gradients = tracer.gradients
        self.steps: list[Event] = [e for e in self.notes.events if e.kind == "step"]
        self.optimizers: list[Any] = list({id(o): o for o in (*given, *(e.subject for e in self.steps))}.values())
        walk = [(name, model, list(model.named_modules())) for name, model in models]
        self.unregistered: list[Unregistered] = unregistered_in(walk)
        self.lost = {id(t) for found in self.unregistered for _, t in found.tensors if self.is_lost(t)}
        self.held = _held(walk, self.lost)

    @property
    def has_backward(self) -> bool:
        return any(e.kind == "backward" for e in self.notes.events)

    def params_of(self, optimizer: Any) -> list[Tensor]:
        """The parameters of an optimizer, in order."""
        return [p for group in optimizer.param_groups for p in group["params"]]

    @cached_property
    def optimized(self) -> set[int]:
        """The parameters of the optimizers of this step, by id."""
        return {id(p) for o in self.optimizers for p in self.params_of(o)}

    @cached_property
    def optimized_anywhere(self) -> set[int]:
        """The parameters of all optimizers that there are, by id."""
        return self.optimized | {id(p) for o in list(alive) for p in self.params_of(o)}

    @cached_property
    def updated(self) -> set[int]:
        """What an optimizer found a gradient of; those that were only given would find what got one."""
        waiting = [o for o in self.optimizers if not any(e.subject is o for e in self.steps)]
        found = {id(p) for o in waiting for p in self.params_of(o) if self.reached(p)}
        return found.union(*(e.updated for e in self.steps))

    @cached_property
    def read(self) -> set[int]:
        """The leaves that were read at all, by id."""
        return {id(t) for t in self.gradients.leaves.values()}

    @cached_property
    def paths(self) -> Paths:
        """Where the gradients of all losses go."""
        return paths_from(self.tracer, [e.subject for e in self.notes.events if e.kind == "backward"])

    def gets_gradient(self, t: Tensor) -> bool:
        """Whether gradients of a loss reach ``t``. Backward does not ask whether they are 0 on the way."""
        return (self.reached(t) and not self._has_flat) or id(t) in self.paths.leaves

    @cached_property
    def _has_flat(self) -> bool:
        return any(node.op.name in FLAT for node in self.tracer.graph.nodes)

    def reached(self, t: Tensor) -> bool:
        """Whether ``t`` got a gradient at any time."""
        return id(t) in self.gradients.reached or id(t) in self.gradients.assigned

    def is_lost(self, t: Tensor) -> bool:
        """Whether ``t`` should be trained, and nothing updates it: no optimizer anywhere, no assignment. What an
        earlier program has updated was taken out of its optimizer since, which is meant."""
        used = self.reached(t) if self.has_backward else id(t) in self.followed
        updated = id(t) in self.optimized_anywhere or self.is_written(t)
        return used and not updated and not any(id(t) in e.updated for notes in self.before or () for e in notes.events)

    @cached_property
    def followed(self) -> set[int]:
        """The leaves from which autograd follows what is computed, by id: not those that are read under `no_grad`."""
        leaves, detach = self.gradients.leaves, OPS["detach"]
        return {id(leaves[v]) for n in self.tracer.graph.nodes if n.op is not detach for v in n.operands if v in leaves}

    def is_written(self, t: Tensor) -> bool:
        """Whether the step changes ``t``, be it by hand."""
        return t._storage in self.tracer.written

    @cached_property
    def untrained(self) -> list[Held]:
        """What is lost of what models count among their parameters."""
        return [h for h in self.held.values() if self.is_lost(h.tensor)]


def _held(models: Walk, lost: set[int]) -> dict[int, Held]:
    """The parameters of models, by id. What is a model only because the real one does not count it is left out."""
    found = [(name, model, list(_own(modules, lost))) for name, model, modules in models]
    several = sum(1 for _, _, own in found if own) > 1
    out: dict[int, Held] = {}
    for name, model, own in found:
        for path, module, p in own:
            out.setdefault(id(p), Held(p, join(name, path) if several else path, module, model))
    return out


def _own(modules: Sequence[tuple[str, Module]], lost: set[int]) -> Iterator[tuple[str, Module, Tensor]]:
    for path, module in modules:
        for name, p in module._parameters.items():
            if p is not None and id(p) not in lost:
                yield join(path, name), module, p
