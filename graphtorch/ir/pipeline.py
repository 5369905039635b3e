"""THE pipelines, in order, and the registry that text pipelines name passes from."""

from __future__ import annotations

from collections.abc import Sequence

from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.alias import Alias
from graphtorch.ir.passes.autodiff import Autodiff
from graphtorch.ir.passes.bundle import Bundle
from graphtorch.ir.passes.canonicalize import Canonicalize
from graphtorch.ir.passes.carries import Carries
from graphtorch.ir.passes.cse import Cse
from graphtorch.ir.passes.dce import Dce
from graphtorch.ir.passes.decompose import Decompose
from graphtorch.ir.passes.fold import Fold
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passes.transposes import Transposes
from graphtorch.ir.passes.widen import Widen
from graphtorch.ir.passmanager import Pass, UserPass, parse_pipeline, run_passes

#: the graph as the program that it is: gradients expanded, nothing computed twice or in vain, or rounded on its way
SIMPLIFY: tuple[Pass, ...] = (Autodiff(), Canonicalize(), Transposes(), Cse(), Widen(), Dce())
#: loops over state, groups that become kernels, what of them is one kernel for many arrays, and where state is written
SCHEDULE: tuple[Pass, ...] = (Carries(), Fuse(), Bundle(), Alias())
#: what a program with frozen parameters goes through, before it is cut in two (ir/frozen.py)
FREEZE: tuple[Pass, ...] = (Fold(), Canonicalize(), Cse(), Dce())
#: what every traced program goes through
OPTIMIZE: tuple[Pass, ...] = (*SIMPLIFY, *SCHEDULE)

#: the same for CUDA, where blocks of threads do not wait for each other: one reduction, or rows of a block's work,
#: plain reads, and attention's gradient in parts. A kernel has 4 KiB for its parameters
OPTIMIZE_CUDA: tuple[Pass, ...] = (
    Autodiff(),
    Decompose(longest=128),
    *SIMPLIFY[1:],
    Fuse(prologues=False, chains=False, longest_row=8192),
    Bundle(most=500, reductions=False),
    Alias(),
)

#: name -> pass, for `python -m graphtorch.opt -p`
PASSES: dict[str, type[Pass]] = {
    p.name: p
    for p in (Autodiff, Canonicalize, Transposes, Cse, Dce, Fold, Decompose, Widen, Carries, Fuse, Bundle, Alias)
}


def simplify_with(own: Sequence[Pass]) -> tuple[Pass, ...]:
    """SIMPLIFY, and a user's passes behind it: they see what will run, and what they leave is simplified, too."""
    return (*SIMPLIFY, *map(UserPass, own), *SIMPLIFY[1:]) if own else SIMPLIFY


def run_pipeline(graph: Graph, text: str) -> Graph:
    """Run the passes that ``text`` names ("cse,fuse{max_ops=32}"), verifying after each."""
    return run_passes(graph, parse_pipeline(text, PASSES), verify_each=True)
