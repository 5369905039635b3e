"""The state of a module as a dictionary, and back, with torch's keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from graphtorch.frontend import epoch
from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, StateError

if TYPE_CHECKING:
    from graphtorch.frontend.nn.module import Module


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Entry(NamedTuple):
    """A tensor of the state: its key, and the module and attribute that hold it."""

    key: str
    module: Module
    name: str
    tensor: Tensor


def entries(module: Module, prefix: str = "") -> Iterator[Entry]:
    """All parameters and persistent buffers; a shared one comes under each of its keys."""
    for path, owner in module.named_modules(remove_duplicate=False):
        lead = f"{prefix}{path}." if path else prefix
        kept = {n: b for n, b in owner._buffers.items() if n not in owner._non_persistent_buffers_set}
        for name, tensor in (*owner._parameters.items(), *kept.items()):
            if tensor is not None:
                yield Entry(lead + name, owner, name, tensor)


def collect(module: Module, out: dict[str, Any], prefix: str, keep_vars: bool) -> dict[str, Any]:
    """Enter the state into ``out``; without ``keep_vars`` the tensors are detached, over the same storage."""
    for entry in entries(module, prefix):
        out[entry.key] = entry.tensor if keep_vars else entry.tensor.data
    return out


def load(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Check all of ``state`` against ``module``, then copy (or assign) it; see `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError("GT301", f"state_dict must be a mapping, got {type(state).__name__}")
    found = list(entries(module))
    keys = IncompatibleKeys([e.key for e in found if e.key not in state], _unexpected(found, state))
    facts = _key_facts(keys) if strict else []
    facts += [fact for e in found if e.key in state and (fact := _mismatch(e, state[e.key]))]
    if facts:
        raise StateError("GT701", f"the state_dict does not fit {type(module).__name__}", facts)
    put = _assign if assign else _copy
    with no_grad():
        for entry in found:
            if entry.key in state:
                put(entry, state[entry.key])
    epoch.bump()
    return keys


def _unexpected(found: list[Entry], state: Mapping[str, Any]) -> list[str]:
    known = {e.key for e in found}
    return [key for key in state if key not in known]


def _key_facts(keys: IncompatibleKeys) -> list[str]:
    """torch's phrases, so that a search for the message finds help."""
    facts = []
    if keys.missing_keys:
        facts.append("missing key(s): " + ", ".join(f'"{k}"' for k in keys.missing_keys))
    if keys.unexpected_keys:
        facts.append("unexpected key(s): " + ", ".join(f'"{k}"' for k in keys.unexpected_keys))
    return facts


def _mismatch(entry: Entry, value: Any) -> str:
    """Why ``value`` cannot become the tensor of ``entry``; "" when it can."""
    if not isinstance(value, Tensor):
        return f'"{entry.key}" is not a tensor: got {type(value).__name__}'
    if value.aval.shape == entry.tensor.aval.shape:
        return ""
    return f'size mismatch for "{entry.key}": expected {entry.tensor.aval}, got {value.aval}'


def _copy(entry: Entry, value: Tensor) -> None:
    entry.tensor.copy_(value)


def _assign(entry: Entry, value: Tensor) -> None:
    if isinstance(entry.tensor, Parameter) and not isinstance(value, Parameter):
        value = Parameter(value, entry.tensor.requires_grad)
    setattr(entry.module, entry.name, value)
