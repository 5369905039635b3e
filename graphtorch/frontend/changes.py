"""What differs between two kinds of calls, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphtorch.ir.types import TensorType

_LONGEST = 60


def changes(before: Any, after: Any) -> list[str]:
    """The differences of two keys (signature.py): ``["argument 0 is f32[3,5], was f32[3,4]"]``."""
    (_, args, kwargs), (grad, dtype, cast), shared = before
    (_, new_args, new_kwargs), (new_grad, new_dtype, new_cast), new_shared = after
    found = [*_within("argument", args, new_args), *_within("argument", kwargs, new_kwargs)]
    if grad != new_grad:
        found.append(f"gradients are {'recorded' if new_grad else 'not recorded'}")
    if dtype is not new_dtype:
        found.append(f"the default dtype is {new_dtype!r}, was {dtype!r}")
    if cast != new_cast:
        found.append("autocast is " + (", ".join(f"on for {kind} ({low!r})" for kind, low in new_cast) or "off"))
    if shared != new_shared:
        found.append("which arguments are the same tensor")
    return found


def too_many(name: str, most: int, changed: list[str]) -> str:
    """The warning when programs of the function ``name`` begin to be dropped."""
    return (
        f"{name} was compiled more than {most} times; {most} programs are kept, and those used least recently are "
        f"dropped. Changed since the last one: {'; '.join(changed)}. Call it with fewer shapes (pad to a few, or drop "
        "the last batch), pass numbers that change as tensors, or compile one function for each use"
    )


def _within(name: str, before: Any, after: Any) -> Iterator[str]:
    """Between two containers: (class, items...), where a dict's items are (class of the key, key, item)."""
    names, old_items = _items(before)
    new_names, new_items = _items(after)
    if before[0] != after[0] or names != new_names:
        yield f"there are other {name}s" if name == "argument" else f"{name} holds another number of items, or others"
        return
    for label, old, new in zip(names, old_items, new_items, strict=True):
        where = f"{name} {label}" if name == "argument" else f"{name}[{label!r}]"
        if old != new and _is_container(old) and _is_container(new):
            yield from _within(where, old, new)
        elif old != new:
            yield f"{where} is {_words(new, old)}, was {_words(old, new)}"


def _items(key: Any) -> tuple[list[Any], list[Any]]:
    if key[0] is dict:
        return [name for _, name, _ in key[1:]], [item for _, _, item in key[1:]]
    return list(range(len(key) - 1)), list(key[1:])


def _is_container(key: Any) -> bool:
    return isinstance(key, tuple) and bool(key) and any(key[0] is kind for kind in (tuple, list, dict))


def _words(key: Any, other: Any) -> str:
    """A leaf's key; of a tensor what its key says beside what the ``other`` says as well."""
    if not _is_tensor(key):
        text = repr(key[-1] if isinstance(key, tuple) and key and isinstance(key[0], type) else key)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    kind, aval, requires, leaf, *hooks = key
    words = str(aval)
    if _is_tensor(other) and other[1] == aval:
        words += f" (a {kind.__name__}, requires_grad={requires}, is_leaf={leaf}{', with hooks' if hooks else ''})"
    return words


def _is_tensor(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) in (4, 5) and isinstance(key[1], TensorType)
