"""What is known of a program without its graph: enough to run it. It is kept in the cache on disk (cache.py).

A program that an earlier process has compiled is known by its graph as it was traced: what the passes made of that is
not made again, unless somebody asks to see it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphtorch.ir.graph import Graph
from graphtorch.ir.types import BY_SHORT, TensorType
from graphtorch.runtime import cache
from graphtorch.runtime.cache_size import KNOWN


@dataclass(frozen=True)
class Face:
    """What calls need of a scheduled graph: the names of its parameters, the types of its outputs, the bytes of its
    arena, and the key of its machine code in the cache."""

    params: tuple[str, ...]
    outputs: tuple[TensorType, ...]
    arena_bytes: int
    key: str


def face_of(graph: Graph, arena_bytes: int, key: str) -> Face:
    """The face of a scheduled graph."""
    return Face(tuple(p.name for p in graph.params), tuple(o.type for o in graph.outputs), arena_bytes, key)


@dataclass(frozen=True)
class Known:
    """A face, and what lies in the cache under its key."""

    face: Face
    code: list[bytes]


def remember(key: str, faces: Mapping[str, Face], notes: Sequence[str]) -> None:
    """Keep under ``key`` the programs of one call, by name, and ``notes`` on them."""
    texts = {name: _as_json(face) for name, face in faces.items()}
    cache.store(key, [json.dumps({"programs": texts, "notes": list(notes)}).encode()], KNOWN)


def has_own_ops(graph: Graph) -> bool:
    """Whether an op is in ``graph`` that a user has registered: the text names it, and does not say what it does."""
    own = any(not type(node.op).__module__.startswith("graphtorch.") for node in graph.nodes)
    return own or any(has_own_ops(node.body) for node in graph.nodes if node.body is not None)


def recall(key: str) -> tuple[dict[str, Known], tuple[str, ...]] | None:
    """What `remember` was given, with the programs' machine code; None where any part of it is gone."""
    found = cache.load(key, KNOWN)
    if found is None:
        return None
    told = json.loads(found[0])
    programs: dict[str, Known] = {}
    for name, text in told["programs"].items():
        face = _from_json(text)
        code = cache.load(face.key)
        if code is None:
            return None
        programs[name] = Known(face, code)
    return programs, tuple(told["notes"])


def _as_json(face: Face) -> dict[str, Any]:
    outputs = [[t.dtype.short, *t.shape] for t in face.outputs]
    return {"params": face.params, "outputs": outputs, "arena": face.arena_bytes, "key": face.key}


def _from_json(text: Mapping[str, Any]) -> Face:
    outputs = tuple(TensorType(tuple(shape), BY_SHORT[dtype]) for dtype, *shape in text["outputs"])
    return Face(tuple(text["params"]), outputs, text["arena"], text["key"])
