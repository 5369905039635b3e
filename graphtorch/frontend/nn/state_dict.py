"""The state of a module as a dictionary, and back, with torch's keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from graphtorch.frontend import epoch
from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.hooks import Hooked
from graphtorch.frontend.nn.parameter import Parameter, Uninitialized
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, StateError

if TYPE_CHECKING:
    from graphtorch.frontend.nn.module import Module

#: the name, in a module's part of the dictionary, of what its `get_extra_state` gives
EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Stateful(Hooked):
    """What a module gives as its state, and takes back."""

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, sharing storage with the module; and `get_extra_state`."""
        out = OrderedDict() if destination is None else destination
        return collect(self, out, prefix, keep_vars)  # type: ignore[arg-type]  # every one is a Module

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy ``state_dict`` into the parameters and buffers; with ``assign``, put its tensors in their place.

        Then `set_extra_state`. StateError GT701 lists all that does not fit, and then nothing was changed: sizes that
        differ and (when ``strict``) missing and unexpected keys. Returns those keys as torch does.
        """
        return load(self, state_dict, strict, assign)  # type: ignore[arg-type]

    def get_extra_state(self) -> Any:
        """What else belongs to the state, under the key "_extra_state". A subclass that has any defines this, and
        `set_extra_state`; it should be something that can be pickled."""
        raise NotImplementedError(f"{type(self).__name__}.get_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave: called by `load_state_dict`, which asks for the key then."""
        raise NotImplementedError(f"{type(self).__name__}.set_extra_state")


def _has(module: Module, method: str) -> bool:
    """Whether the class of ``module`` defines this method of extra state."""
    return getattr(type(module), method) is not getattr(Stateful, method)


class Entry(NamedTuple):
    """A tensor of the state: its key, and the module and attribute that hold it."""

    key: str
    module: Module
    name: str
    tensor: Tensor


def entries(module: Module, prefix: str = "") -> Iterator[Entry]:
    """All parameters and persistent buffers; a shared one comes under each of its keys."""
    for path, owner in module.named_modules(remove_duplicate=False):
        yield from _own(owner, f"{prefix}{path}." if path else prefix)


def _own(module: Module, lead: str) -> Iterator[Entry]:
    kept = {n: b for n, b in module._buffers.items() if n not in module._non_persistent_buffers_set}
    for name, tensor in (*module._parameters.items(), *kept.items()):
        if tensor is not None:
            yield Entry(lead + name, module, name, tensor)


def collect(module: Module, out: dict[str, Any], prefix: str, keep_vars: bool) -> dict[str, Any]:
    """Enter the state into ``out``; without ``keep_vars`` the tensors are detached, over the same storage."""
    for _, hook in module._hooks_for("state_dict_pre"):
        hook.function(module, prefix, keep_vars)
    for entry in _own(module, prefix):
        out[entry.key] = entry.tensor if keep_vars else entry.tensor.data
    if _has(module, "get_extra_state"):
        out[prefix + EXTRA] = module.get_extra_state()
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for _, hook in module._hooks_for("state_dict"):
        hook.function(module, out, prefix, _metadata())
    return out


def _metadata() -> dict[str, Any]:
    """What torch hands to hooks of state beside it."""
    return {"version": 1}


def load(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Check all of ``state`` against ``module``, then copy (or assign) it; see `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError("GT301", f"state_dict must be a mapping, got {type(state).__name__}")
    modules = list(module.named_modules(remove_duplicate=False))
    facts, state = _before_loading(modules, state, strict)
    found = list(entries(module))
    extra = {f"{path}.{EXTRA}" if path else EXTRA: m for path, m in modules if _has(m, "set_extra_state")}
    known = [*(e.key for e in found), *extra]
    keys = IncompatibleKeys([k for k in known if k not in state], [k for k in state if k not in {*known}])
    after = [(owner, hook) for _, owner in reversed(modules) for _, hook in owner._hooks_for("load_post")]
    facts += _key_facts(keys) if strict and not after else []
    facts += [fact for e in found if e.key in state and (fact := _mismatch(e, state[e.key]))]
    _raise(module, facts)
    put = _assign if assign else _copy
    with no_grad():
        for entry in found:
            if entry.key in state and not isinstance(entry.tensor, Uninitialized):
                put(entry, state[entry.key])
    for key, owner in extra.items():
        if key in state:
            owner.set_extra_state(state[key])
    epoch.bump()
    for owner, hook in after:  # which may know better what is missing
        hook.function(owner, keys)
    _raise(module, _key_facts(keys) if strict else [])
    return keys


def _before_loading(
    modules: Sequence[tuple[str, Module]], state: Mapping[str, Any], strict: bool
) -> tuple[list[str], Mapping[str, Any]]:
    """What hooks complain of, and what they leave of a copy of ``state``."""
    messages: list[str] = []
    hooks = [(path, owner, hook) for path, owner in modules for _, hook in owner._hooks_for("load_pre")]
    if hooks:
        state = OrderedDict(state)
    for path, owner, hook in hooks:
        prefix = f"{path}." if path else ""
        hook.function(owner, state, prefix, _metadata(), strict, [], [], messages)
    return messages, state


def _raise(module: Module, facts: list[str]) -> None:
    if facts:
        raise StateError("GT701", f"the state_dict does not fit {type(module).__name__}", facts)


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
    if isinstance(value, Uninitialized) and isinstance(entry.tensor, Uninitialized):
        return ""
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
