"""The modules of a program that was run: their paths, those that one line made, and what variables held there."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from graphtorch.frontend.diagnosis.abstract import Observation
from graphtorch.frontend.diagnosis.layers import arguments_of, constructor_call, is_layer, parameters_of
from graphtorch.frontend.diagnosis.source import Call, function_around
from graphtorch.frontend.nn.module import Module

#: layers whose constructors are looked at for what variables held
_NEAR = 12


class Model:
    """All modules below ``roots``, by their paths from there."""

    def __init__(self, roots: Iterable[Module]) -> None:
        self.modules: list[tuple[str, Module]] = [named for root in roots for named in root.named_modules()]
        self._paths = {id(m): path for path, m in self.modules}
        self._variables: dict[int, dict[str, int]] = {}

    @classmethod
    def of(cls, seen: Observation) -> Model:
        """The modules that the user's function called."""
        return cls({id(c.module): c.module for c in seen.calls if c.depth == 0}.values())

    def path(self, module: Module) -> str:
        return self._paths.get(id(module), "")

    def made_with(self, module: Module) -> list[Module]:
        """The modules that the same call constructed, ``module`` first."""
        at = module._created_at
        others = [m for _, m in self.modules if m is not module and type(m) is type(module) and m._created_at == at]
        return [module, *others]

    def ancestors(self, module: Module) -> list[Module]:
        """The modules that hold ``module``, the innermost first."""
        path = self.path(module)
        held = [m for p, m in self.modules if p != path and (not p or path.startswith(f"{p}."))]
        return held[::-1]

    def variables(self, module: Module) -> dict[str, int]:
        """What expressions held where ``module`` was constructed: those that layers made near it were given.

        The arguments of a layer are known, and so are the expressions that the user gave for them. Nearest are those of
        the layer itself, then of those below the same module, then of what was made before or after it.
        """
        if id(module) not in self._variables:
            self._variables[id(module)] = self._found(module)
        return self._variables[id(module)]

    def _found(self, module: Module) -> dict[str, int]:
        at = next((i for i, (_, m) in enumerate(self.modules) if m is module), 0)
        around = function_around(module._created_at)
        near = [i for i, (_, m) in enumerate(self.modules) if function_around(m._created_at) == around]

        def distance(i: int) -> tuple[bool, int, int]:
            return i != at, -_shared(self.modules[at][0], self.modules[i][0]), abs(2 * (i - at) + 1)

        found: dict[str, int] = {}
        for i in sorted(near, key=distance)[:_NEAR]:
            for text, value in _given(self.modules[i][1]):
                found.setdefault(text, value)
        return found


def _shared(path: str, other: str) -> int:
    """How many of the modules that hold one hold the other."""
    ours, theirs = path.split(".")[:-1], other.split(".")[:-1]
    return next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))


def _given(module: Module) -> Iterator[tuple[str, int]]:
    call = constructor_call(module) if is_layer(module) else None
    if call is None or call.starred:
        return
    values, parameters = arguments_of(module), parameters_of(type(module))
    for name in parameters:
        node, value = call.argument(name, parameters), _as_int(values.get(name))
        if node is None or value is None or isinstance(node, ast.Constant):
            continue
        yield call.text_of(node), value
        yield from _solved(call, node, value)


def _solved(call: Call, node: ast.expr, value: int) -> Iterator[tuple[str, int]]:
    """``width`` is 48 where ``4 * width`` is 192."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant):
        factor: Any = node.left.value
        if isinstance(factor, int) and factor and value % factor == 0:
            yield call.text_of(node.right), value // factor


def _as_int(value: Any) -> int | None:
    """An int, or a tuple of equal ones: ``normalized_shape``, ``kernel_size``."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) else None
