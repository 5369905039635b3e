"""Looking inside of a compiled function: graphs, figures, the text of every stage, and memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from graphtorch.frontend.program import Program, Stats
from graphtorch.frontend.sizing import Sizing
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.trace import name_of
from graphtorch.frontend.tree import leaves
from graphtorch.frontend.usage import MemoryReport, memory_of
from graphtorch.ir.dim import Guards, recorded
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.fuse import Fuse


class Inspection:
    """What a compiled function tells of its programs, in the order in which they were made."""

    _target: Callable[..., Any]
    _dynamic: Mapping[str, Mapping[int, str]] | None

    @property
    def _order(self) -> list[Program]:
        raise NotImplementedError

    @property
    def _gone(self) -> int:
        """How many programs were dropped."""
        raise NotImplementedError

    def _program_of(self, args: Any, kwargs: Any) -> Program:
        """The program of a call, made if need be."""
        raise NotImplementedError

    @property
    def graphs(self) -> list[Graph]:
        """The traced graph of each program."""
        return [p.traced.graph for p in self._order]

    @property
    def stats(self) -> list[Stats]:
        """Figures of each program."""
        return [p.stats for p in self._order]

    @property
    def stages(self) -> list[dict[str, str]]:
        """For each program the text of every stage, from the trace to LLVM IR, or CUDA C with what each
        kernel takes of the GPU, in order.

        "fusion" is no stage of its own: it says what `fuse` made one kernel, the bytes that this saves, and why.
        """
        return [_texts(p) for p in self._order]

    def explain(self) -> str:
        """What was compiled, and why each program was needed."""
        gone = f" ({self._gone} more were dropped)" if self._gone else ""
        lines = [f"{name_of(self._target)}: {len(self._order)} programs{gone}"]
        for i, s in enumerate(self.stats):
            source = "from cache" if s.from_cache else "cold"
            lines.append(
                f"  {i}: {s.nodes} nodes -> {s.kernels} kernels in {s.compile_seconds:.2f} s ({source}); {s.reason}"
            )
            lines += [f"     {line}" for line in _sizing(self._order[i].sizing)]
        if lines[1:] and not self._dynamic:
            lines.append('  sizes are static: each new one compiles; name those that change, dynamic={"x": {0: "B"}}')
        return "\n".join(lines)

    def memory(self, *args: Any, **kwargs: Any) -> MemoryReport:
        """The memory that a call with these arguments takes at most, in bytes, and what lies there at the peak.

        The program is compiled if need be, and does not run. Without arguments: of the program that was made last
        (or, where there is none, of a call without arguments), with the examples of named sizes. Print the result for a
        table.
        """
        asked = args or kwargs or not self._order
        program = self._program_of(args, kwargs) if asked else self._order[-1]
        sizing = program.sizing
        sizes = sizing.of([x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]) if asked else sizing.examples
        return memory_of(name_of(self._target), program, sizes)

    def dump(self, directory: str) -> list[str]:
        """Write every stage of every program into ``directory``; the paths of the files."""
        os.makedirs(directory, exist_ok=True)
        paths = []
        for number, texts in enumerate(self.stages):
            for index, (name, text) in enumerate(texts.items()):
                suffix = {"kernels": "gtk", "llvm": "ll", "cuda": "cu", "fusion": "txt"}.get(name.split()[-1], "gt")
                path = os.path.join(directory, f"{number}-{index:02d}-{name.replace(' ', '-')}.{suffix}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                paths.append(path)
        return paths


def _sizing(sizing: Sizing) -> list[str]:
    """For which sizes a program is good."""
    if not sizing.examples:
        return []
    traced = ", ".join(f"{name} (traced as {n})" for name, n in sizing.examples.items())
    return [f"for every {traced} of at least 2", *(f"where {line}" for line in sizing.lines())]


def _texts(program: Program) -> dict[str, str]:
    with recorded(Guards()):  # what is asked here changes no program
        return _texts_of(program)


def _texts_of(program: Program) -> dict[str, str]:
    texts: dict[str, str] = {}
    before: Graph | None = None
    for name, graph in program.stages:
        if before is not None and name.split()[-1] == Fuse.name:
            texts[f"{name.removesuffix(Fuse.name)}fusion"] = Fuse().explain(before)
        texts[name] = str(graph)
        before = graph
    for prefix, executable in (("", program.forward), ("backward ", program.backward), ("once ", program.once)):
        if executable is not None:
            kernels = dict.fromkeys(launch.kernel for launch in executable.launches)
            texts[prefix + "kernels"] = "\n".join(map(str, kernels))
            name, code = executable.code_text()
            texts[prefix + name] = code
    return texts
