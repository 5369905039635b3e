"""Whether a program is good for a call: for the Python state that there is now, and what its bindings hold then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphtorch.frontend import epoch
from graphtorch.frontend.guards import Checks
from graphtorch.frontend.memory import Memory
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import Traced
from graphtorch.frontend.traced_state import Binding
from graphtorch.ir.device import CPU

#: what a binding holds at a call with these arguments
Fetch = Callable[[Sequence[Tensor]], Any]


class Matching:
    """The guards of one program."""

    _lock: Any

    def _guard(self, traced: Traced, bindings: Sequence[Binding], memory: Memory) -> None:
        """What the trace has looked at, and what each binding holds."""
        self.bindings, self._memory = bindings, memory
        self._volatile = [i for i, b in enumerate(bindings) if b.volatile]
        self._plan_owners()
        recorder, gradients = traced.recorder, traced.tracer.gradients
        self.epoch = -1
        self._attributes = list(recorder.module_guards.values())
        self._modules = [(type(m), m, names) for m, names in recorder.inherited.values()]
        self._facts = [(t, _kind(t), t._requires_grad, t.is_leaf, _hooks_of(t)) for t in traced.outside]
        self._checks = Checks([*recorder.other_guards.values(), *traced.tracer.guards])
        self._grads = list(gradients.seen.values())
        self._argument_grads = list(gradients.seen_of_arguments.items())
        self._asked = traced.tracer.questions.all()
        self._closer = bool(self._grads or self._argument_grads or self._asked)
        self._places = [b.tensor.device if b.tensor is not None else CPU for b in bindings]
        self._kept = [self.bindings[i].tensor for i in self._volatile]
        self._layout = self._memory.layout([b.tensor for b in self.bindings])

    def match(self, tensors: Sequence[Tensor]) -> list[Any] | None:
        """What every binding holds at this call; None if the Python state is another than the one that was traced."""
        if self._volatile or self.epoch != epoch.now():
            with self._lock:  # a trace of the same function assigns attributes, and takes that back when it ends
                return self._match_anew(tensors)
        return self._owners_at(tensors) if self._holds(tensors) else None

    def _match_anew(self, tensors: Sequence[Tensor]) -> list[Any] | None:
        now = epoch.now()
        later = self.epoch != now
        if (later and not self._unchanged()) or not self._holds(tensors):
            return None
        owners = self._owners_at(tensors)
        moved = [i for i, kept in zip(self._volatile, self._kept, strict=True) if owners[i] is not kept]
        if (moved or later) and not self._settle(owners, moved, later):
            return None
        self.epoch = now
        return owners

    def _owners_at(self, tensors: Sequence[Tensor]) -> list[Any]:
        owners = self._owners.copy()
        for i, position in self._given:
            owners[i] = tensors[position]
        for i, fetch in self._fetched:
            owners[i] = fetch(tensors)
        return owners

    def _holds(self, tensors: Sequence[Tensor]) -> bool:
        """Whether that is as it was which nothing tells of when it changes."""
        return self._checks.hold() and (not self._closer or self._holds_of(tensors))

    def _holds_of(self, tensors: Sequence[Tensor]) -> bool:
        """Whether gradients and arguments are as they were where the function looked at them."""
        return self._same_grads(tensors) and all(a.holds(tensors) for a in self._asked)

    def _unchanged(self) -> bool:
        """Whether what moves the epoch is as it was: attributes of modules, and types of tensors."""
        return (
            all(g.holds() for g in self._attributes)
            and all(type(m) is c and vars(m).keys().isdisjoint(names) for c, m, names in self._modules)
            and all(
                _kind(t) == a and t._requires_grad is r and t.is_leaf is leaf and _hooks_of(t) == hooks
                for t, a, r, leaf, hooks in self._facts
            )
        )

    def _same_grads(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the gradients that the function looked at are None where they were."""
        for t, none in self._grads:
            if (t._grad is None) is not none:
                return False
        return all((tensors[i]._grad is None) is none for i, none in self._argument_grads)

    def _settle(self, owners: Sequence[Any], moved: Sequence[int], everything: bool) -> bool:
        """Whether the program is good for tensors that stand in the place of others now."""
        for i in moved:
            if not isinstance(owners[i], Tensor) or _kind(owners[i]) != (self.bindings[i].param.type, self._places[i]):
                return False
        memory = self._memory
        if everything or any(i in memory.written or memory.clash(owners, i) for i in moved):
            if memory.layout(owners) != self._layout:
                return False
            memory.settle(owners)
        self._kept = [owners[i] for i in self._volatile]
        return True

    def broken(self) -> list[str]:
        """What of the Python state changed, by name."""
        names = [g.name for g in self._attributes if not g.holds()] + self._checks.broken()
        names += [f"{c.__name__}" for c, m, own in self._modules if type(m) is not c or vars(m).keys() & own]
        names += [
            "requires_grad" for t, _, r, leaf, _ in self._facts if t._requires_grad is not r or t.is_leaf is not leaf
        ]
        names += [f"the type or the device of {a[0]}" for t, a, *_ in self._facts if _kind(t) != a]
        names += ["the hooks of a tensor" for t, *_, hooks in self._facts if _hooks_of(t) != hooks]
        names += ["whether a gradient is None" for t, none in self._grads if (t._grad is None) is not none]
        return list(dict.fromkeys(names)) or ["which tensors share memory, or their types"]

    def _plan_owners(self) -> None:
        """What each binding holds: the same tensor at every call, an argument, or what is asked for."""
        each = list(enumerate(self.bindings))
        fixed = [b.position is None and b.tensor is not None and not b.volatile for b in self.bindings]
        self._owners = [b.tensor if fixed[i] else None for i, b in each]
        self._given = [(i, b.position) for i, b in each if b.position is not None]
        self._fetched = [(i, b.fetch) for i, b in each if b.position is None and not fixed[i]]

    def guards(self, constant: Callable[[Any], str]) -> list[str]:
        """Conditions in Python, over ``tensors``, under which `match` says no while the epoch stands."""
        reasons = [] if self._checks.empty else [f"not {constant(self._checks.hold)}()"]
        return [*reasons, *([f"not {constant(self._holds_of)}(tensors)"] if self._closer else [])]


def _kind(t: Tensor) -> tuple[Any, Any]:
    """Type and device."""
    return t.aval, t.device


def _hooks_of(t: Tensor) -> tuple[Any, ...]:
    """What `register_hook` was given of a leaf."""
    return tuple(t._hooks.values()) if t._hooks else ()
