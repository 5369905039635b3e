"""The optimizer's driver: runs passes over a file of IR, and shows later stages of the compiler.

    python -m graphtorch.opt file.gt -p "cse,dce"
    python -m graphtorch.opt - --stage llvm < file.gt

The exit code is 1, and the message on stderr, for a file or a pipeline that is not right.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import graphtorch  # noqa: F401  # fills the op registry
from graphtorch.ir.dim import Guards, recorded
from graphtorch.ir.errors import GraphTorchError
from graphtorch.ir.graph import Graph
from graphtorch.ir.passmanager import parse_pipeline, run_passes
from graphtorch.ir.pipeline import PASSES
from graphtorch.ir.text import parse_graph, print_graph

#: stage -> "module:function", a function from Graph to text; imported when asked for
STAGES = {
    "fusion": "graphtorch.codegen.stages:fusion_text",
    "kernels": "graphtorch.codegen.stages:kernels_text",
    "scheduled": "graphtorch.codegen.stages:scheduled_text",
    "llvm": "graphtorch.codegen.stages:llvm_text",
    "asm": "graphtorch.runtime.cpu:graph_assembly",
    "cuda": "graphtorch.codegen.stages:cuda_text",
}


def stage_text(graph: Graph, stage: str) -> str:
    """The text of ``graph`` at a stage of `STAGES`."""
    module, function = STAGES[stage].split(":")
    return str(getattr(importlib.import_module(module), function)(graph))


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 after the message of an error went to stderr."""
    args = _arguments(argv)
    try:
        text = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
        graph = parse_graph(text, "<stdin>" if args.file == "-" else args.file)
        with recorded(Guards()):  # what is asked of sizes that are not known is answered by their examples
            graph = run_passes(graph, parse_pipeline(args.passes, PASSES), verify_each=True)
            output = stage_text(graph, args.stage) if args.stage else print_graph(graph)
    except (GraphTorchError, OSError, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)
        return 1
    return write(output if output.endswith("\n") else output + "\n")


def write(text: str) -> int:
    """Print ``text``. The exit code: 0, or 1 after a line on stderr, where the reader is gone or the disk is full."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        print(f"cannot write the output: {error}", file=sys.stderr)
        # Python flushes what is left when it ends, and would complain once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m graphtorch.opt", description="Run passes over graphtorch IR.")
    parser.add_argument("file", help="a file of Graph IR, or - for the standard input")
    parser.add_argument(
        "-p", "--passes", default="", help=f'a pipeline, as in "cse,dce"; there are: {", ".join(PASSES)}'
    )
    parser.add_argument(
        "--stage", choices=tuple(STAGES), help="print a later stage of the compiler instead of the graph"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
