"""Single edits that might mend a failure, the likeliest first; which of them do, an abstract run says (fixes.py).

Each family looks at one thing that users get wrong: the arguments of the layer that failed, what is done to its input
on the way, the arguments of the function that failed, those of functions that were called before it, and those of the
layers and of the user's own modules that made the sizes in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.constructors import GIVES, WINDOW, edited, of_layer, values_for
from graphtorch.frontend.diagnosis.edits import Candidate, ready
from graphtorch.frontend.diagnosis.function_edits import of_earlier_functions, of_function
from graphtorch.frontend.diagnosis.layers import is_layer, parameters_of
from graphtorch.frontend.diagnosis.mending import edits_of
from graphtorch.frontend.diagnosis.model import Model
from graphtorch.frontend.diagnosis.steps import after_modules, before_layer, flattened, instead_of_layer, of_inputs
from graphtorch.frontend.diagnosis.trail import blamed, nodes_on_the_way
from graphtorch.frontend.diagnosis.user_modules import of_parameters, of_users
from graphtorch.frontend.nn.container import ModuleList
from graphtorch.frontend.nn.flatten import Flatten
from graphtorch.frontend.nn.module import Module
from graphtorch.ir.graph import Node


def candidates(seen: Observation) -> Iterator[Candidate]:
    """Of a run that failed. Those far from the failure are not made unless they are asked for."""
    model = Model.of(seen)
    for family in (_near, _far):
        yield from sorted(family(seen, model), key=lambda c: c.rank)


def flattening(seen: Observation) -> Iterator[Candidate]:
    """A Flatten before the layer that failed, be what it gives of the size that the layer takes or not."""
    failed = seen.failed_call
    if failed is not None and is_layer(failed.module) and hasattr(failed.module, "in_features"):
        yield from flattened(Model.of(seen), failed, seen.calls)


def _near(seen: Observation, model: Model) -> Iterator[Candidate]:
    """Edits of what failed, of what was done on the way to it, and of what it was given."""
    failed, function = seen.failed_call, seen.failed_function
    layer = failed if failed is not None and is_layer(failed.module) else None
    if function is not None and seen.error is not None:
        yield from (ready(edit, 0) for edit in edits_of(seen.error, function.number))
    yield from after_modules(seen)
    yield from _of_flattens(seen, model)
    if failed is not None and (layer or isinstance(failed.module, ModuleList)):
        yield from before_layer(model, failed, seen.calls)
        yield from instead_of_layer(model, failed)
    if layer is not None:
        yield from of_layer(model, layer.module, [t.shape for t in layer.inputs])
        yield from _of_holders(seen, model)
    elif function is not None:
        yield from of_function(function)
    yield from (c for c in of_parameters(seen, model) if not c.far)
    yield from of_earlier_functions(seen)
    yield from of_inputs(seen)


def _far(seen: Observation, model: Model) -> Iterator[Candidate]:
    """Edits of what made the sizes in question."""
    yield from _of_makers(seen, model)
    yield from _of_sequences(seen, model)
    yield from _of_holders(seen, model)
    yield from (c for c in of_parameters(seen, model) if c.far)
    yield from of_users(model, _givers(seen), _sizes(seen), 9.5)


def _of_holders(seen: Observation, model: Model) -> Iterator[Candidate]:
    """Other arguments of the user's modules that hold what failed; what is too small for a window is not theirs."""
    if seen.failed_call is not None and seen.error is not None and seen.error.code != "GT111":
        yield from of_users(
            model, [seen.failed_call.module], _sizes(seen), 2.5 if is_layer(seen.failed_call.module) else 7
        )


def _of_flattens(seen: Observation, model: Model) -> Iterator[Candidate]:
    """A Flatten before it that keeps other dimensions than the batch's."""
    for module in _givers(seen):
        for value in values_for(module, "start_dim", []) if isinstance(module, Flatten) else ():
            yield from edited(model, module, "start_dim", value, 0)


#: how many of them, from the failure backwards
_MAKERS = 8


def _of_makers(seen: Observation, model: Model) -> Iterator[Candidate]:
    """Other arguments of the constructors of layers that the trail leads through; first those that gave the tensors."""
    wanted = _sizes(seen)
    for rank, modules in ((6, _givers(seen)), (8, _makers(seen))):
        for module in modules[:_MAKERS]:
            for name in parameters_of(type(module)):
                for value in _values(module, name, wanted):
                    yield from edited(model, module, name, value, rank, far=True)


def _of_sequences(seen: Observation, model: Model) -> Iterator[Candidate]:
    """Layers on the way that take sequences: the batch in the other place. No size needs to tell of them."""
    for module in {id(c.module): c.module for c in reversed(seen.calls) if is_layer(c.module)}.values():
        for value in values_for(module, "batch_first", []):
            yield from edited(model, module, "batch_first", value, 7, far=True)


def _values(module: Module, name: str, wanted: Iterable[int]) -> Iterator[Any]:
    """What an argument of a layer on the way might be, never what it is; ``wanted`` are the sizes in question."""
    if name in GIVES:
        now = getattr(module, name, None)
        yield from (n for n in dict.fromkeys([*wanted, *_multiples(now)]) if n != now)
    elif name in WINDOW:
        yield from values_for(module, name, [])


def _multiples(now: Any) -> list[int]:
    """What a layer may have to give: of a stack that is split in two, three or four."""
    return [now * 2, now * 3, now * 4, now // 2, now * 3 // 2] if isinstance(now, int) else []


def _sizes(seen: Observation) -> list[int]:
    """The sizes in question."""
    assert seen.error is not None
    blamed_sizes = {t.aval.shape[d] for t, dims in blamed(seen.error) for d in dims}
    others = {n for _, t in seen.error.tensors for n in t.aval.shape}
    inputs = {n for b in seen.tracer.inputs for n in b.param.type.shape}
    return [*sorted(blamed_sizes), *sorted(others - blamed_sizes), *sorted(inputs - others - blamed_sizes)]


def _givers(seen: Observation) -> list[Module]:
    """The layers that the operands of the failed call come from."""
    assert seen.error is not None
    nodes = [seen.tracer.read(t).node for _, t in seen.error.tensors if t._traced is not None]
    return _layers(seen, nodes)


def _makers(seen: Observation) -> list[Module]:
    """The layers that the sizes in question went through, and those that made them."""
    assert seen.error is not None
    return _layers(seen, [n for t, d in blamed(seen.error) for n in nodes_on_the_way(seen.tracer.read(t), d)])


def _layers(seen: Observation, nodes: Iterable[Node | None]) -> list[Module]:
    owners = (seen.tracer.owners.get(node) for node in nodes if node is not None)
    return list({id(o): o for o in owners if isinstance(o, Module) and is_layer(o)}.values())
