"""All that a call of a known program does, in one Python function that is made for the program.

It compares the arguments (signature.py), looks at the guards, makes the outputs, runs the native code and wraps the
results. What is not as it was when the function was made, and the programs that do more than this at every call, go the
way of `Program.match` and `Program.run`, which do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import epoch
from graphtorch.frontend.program import Program
from graphtorch.frontend.signature import Source, comparison
from graphtorch.frontend.tensor import Storage, Tensor
from graphtorch.runtime import threads

#: ``quick(args, kwargs)``: the result of a call, or NOT_MINE
Quick = Callable[[tuple[Any, ...], dict[str, Any]], Any]


class _NotMine:
    """Of another kind, or for another Python state."""


NOT_MINE = _NotMine()


def quick_call(args: tuple[Any, ...], kwargs: dict[str, Any], program: Program) -> Quick | None:
    """For calls like this one, which ``program`` answers; None where there is no quick comparison."""
    source = comparison(args, kwargs, program.sizing)
    if source is None:
        return None
    names = list(source.tensors)
    source.constants["program"] = program
    lines = [f"tensors = ({''.join(f'{name}, ' for name in names)})"]
    lines += _whole_call(source, program, names) if program.simple else []
    lines += [
        "owners = program.match(tensors)",
        "if owners is None: return NO",
        "return program.run(tensors, owners)",
    ]
    made: Quick = source.function("call", NOT_MINE, *lines)
    return made


def _whole_call(source: Source, program: Program, names: Sequence[str]) -> list[str]:
    """What `match` and `run` do, where the epoch stands and the arrays can be used as they are."""
    owners, data, fetched = _owners(source, program, names)
    outputs = [f"o{i}" for i in range(len(program.forward.face.outputs))]
    source.constants |= {
        "epoch": epoch, "threads": threads, "new": object.__new__, "Tensor": Tensor, "Storage": Storage,
        "empty": np.empty, "array": np.array, "lock": program.forward.lock, "entry": program._on_cpu.entry,
        "results": program.results, "forward": program.forward, "known_sizes": program.known_sizes,
    }  # fmt: skip
    body = [f"if {reason}: return NO" for reason in program.guards(source.constant)]
    sizes = [source.sizes[name] for name in program.sizing.examples]
    body += _of_sizes(sizes) if sizes else []
    for i, (output, kind) in enumerate(zip(outputs, program.forward.face.outputs, strict=True)):
        shape = f"shapes[{i}]" if sizes and program.forward.layouts else source.constant(kind.shape)
        body.append(f"{output} = empty({shape}, {source.constant(kind.dtype.np)})")
    reuses = "    if results.reuses: results.reuse(made)" if sizes else "    results.reuse(made)"
    params = "".join(f"{array}, " for array in data)
    body += [
        *fetched,
        f"made = [{', '.join(outputs)}]",
        "with lock:",
        *(["    if forward.layout is not layout: forward.resize(layout)"] if program.forward.layouts else []),
        *([reuses] if sizes or program.results.reuses else []),
        f"    arrays = ({params}*made,)",
        "    if threads._threads != entry.ready_for or threads._pool is not entry.pool: entry.prepare()",
        "    done = not entry.pool.launch(id(arrays), entry.call_address)",
        "    entry.calls += done",
        "if done:",
        *(f"    {line}" for line in _results(source, program, owners, outputs)),
    ]
    return ["if program.epoch == epoch._current:", *(f"    {line}" for line in body)]


def _of_sizes(sizes: Sequence[str]) -> list[str]:
    """Lines that find what depends on sizes; those that are met for the first time go the long way."""
    return [
        f"sized = known_sizes.get(({', '.join(sizes)},))",
        "if sized is None: return NO",
        "results, layout = sized.results, sized.layout",
        "shapes, avals = layout.shapes if layout else (), results.avals",
    ]


def _owners(source: Source, program: Program, names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """For each binding an expression of the tensor (or number) that it holds, and of its array; lines before those."""
    owners, data, lines = list[str](), list[str](), list[str]()
    for i, owner in enumerate(program.simple_owners()):
        if isinstance(owner, int):
            owners.append(names[owner])
        elif isinstance(owner, Tensor):
            owners.append(source.constant(owner))
        else:
            owners.append(f"f{i}")
            lines.append(f"f{i} = {source.constant(owner)}(tensors)")
            data.append(f"array(f{i}) if type(f{i}) is float else f{i}._data")
            continue
        data.append(f"{owners[-1]}._data")
    return owners, data, lines


def _results(source: Source, program: Program, owners: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Lines that count what was written, and make the function's result of the arrays."""
    lines = [f"{owners[i]}._storage.version += 1" for i in program.written]
    results = program.results
    made = [f"r{i}" for i in range(len(results.avals))]
    for i, (name, array, aval) in enumerate(zip(made, outputs, results.avals, strict=False)):  # then come gradients
        type_ = f"avals[{i}]" if program.sizing.examples else source.constant(aval)
        lines += [
            f"{name} = new(Tensor)",
            f"{name}._storage = s = new(Storage)",
            f"s.array = {name}._data = {array}",
            f"{name}._aval = {type_}",
        ]
    if results.only is not None:
        single = made[results.only]
    else:
        single = f"results.result(tensors, ({''.join(f'{name}, ' for name in made)}))"
    if results.changes:
        lines.append(f"results.store(made, tensors, ({''.join(f'{name}, ' for name in made)}))")
    return [*lines, f"return {single}"]
