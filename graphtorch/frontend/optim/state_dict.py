"""The state of an optimizer as a dictionary in torch's layout, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphtorch.frontend import epoch
from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, StateError

if TYPE_CHECKING:
    from graphtorch.frontend.optim.optimizer import Optimizer


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    """All parameters; their positions are the indices of the dictionary."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def collect(optimizer: Optimizer) -> dict[str, Any]:
    """See `Optimizer.state_dict`. The tensors are the optimizer's own."""
    params = _parameters(optimizer)
    groups, at = [], 0
    for group in optimizer.param_groups:
        count = len(group["params"])
        options = {k: v for k, v in group.items() if k != "params"}
        groups.append({**options, "params": list(range(at, at + count))})
        at += count
    state = {i: dict(optimizer.state[p]) for i, p in enumerate(params) if p in optimizer.state}
    return {"state": state, "param_groups": groups}


def load(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= set(saved):
        raise ArgumentTypeError(
            "GT301", 'state_dict must be a mapping with "state" and "param_groups"', [f"got {type(saved).__name__}"]
        )
    options = [{k: v for k, v in group.items() if k != "params"} for group in saved["param_groups"]]
    pairs = _checked(optimizer, saved)
    for group, new in zip(optimizer.param_groups, options, strict=True):
        optimizer._check({**group, **new})
    for group, new in zip(optimizer.param_groups, options, strict=True):
        group.update(new)
    with no_grad():
        for p, state in pairs:
            _load_state(optimizer, p, state)
        optimizer._loaded()
    epoch.bump()


def _checked(optimizer: Optimizer, saved: Mapping[str, Any]) -> list[tuple[Tensor, Mapping[str, Any]]]:
    """(parameter, its saved state) for all; StateError GT705 for groups or tensors of other sizes."""
    expected = [len(g["params"]) for g in optimizer.param_groups]
    got = [len(g["params"]) for g in saved["param_groups"]]
    if expected != got:
        raise _does_not_fit(optimizer, [f"expected groups of {expected} parameters, got {got}"])
    order = [i for group in saved["param_groups"] for i in group["params"]]
    pairs = [(p, saved["state"].get(i, {})) for p, i in zip(_parameters(optimizer), order, strict=True)]
    facts = [
        fact
        for at, (p, state) in enumerate(pairs)
        for fact in _state_mismatches(at, tuple(optimizer._state_shape(p)), state)
    ]
    if facts:
        raise _does_not_fit(optimizer, facts)
    return pairs


def _does_not_fit(optimizer: Optimizer, facts: list[str]) -> StateError:
    return StateError("GT705", f"the state_dict does not fit {type(optimizer).__name__}", facts)


def _state_mismatches(at: int, shape: tuple[int, ...], state: Mapping[str, Any]) -> list[str]:
    """State has the shape that it is to have, or is 0-d (a count of steps)."""
    tensors = [(name, t) for name, value in state.items() for t in (value if isinstance(value, list) else [value])]
    return [
        f'size mismatch for "{name}" of parameter {at}: expected {list(shape)}, got {list(t.shape)}'
        for name, t in tensors
        if isinstance(t, Tensor) and t.ndim and t.shape != shape
    ]


def _load_state(optimizer: Optimizer, p: Tensor, saved: Mapping[str, Any]) -> None:
    """Copy into the tensors that programs hold already; replace what cannot be copied into."""
    have = optimizer.state.get(p, {})
    new = {name: value for name, value in saved.items() if value is not None}
    if set(have) - set(new):
        optimizer._generation += 1
    for name, value in new.items():
        new[name] = _take_over(optimizer, p, have.get(name), value)
    optimizer.state.pop(p, None)
    if new:
        optimizer.state[p] = new


def _take_over(optimizer: Optimizer, p: Tensor, have: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_take_over(optimizer, p, None, v) for v in value]
    if not isinstance(value, Tensor):
        return value
    if isinstance(have, Tensor) and have.shape == value.shape:
        return have.copy_(value)
    optimizer._generation += 1
    dtype = p.dtype if value.ndim and value.dtype.is_floating_point else value.dtype
    return value.to(p.device).to(dtype).clone()
