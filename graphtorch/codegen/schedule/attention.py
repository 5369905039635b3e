"""Attention on the CPU: a task has a block of rows in scratch memory, and goes through the keys block by block.

The scores of a block of rows and one of columns are a product in registers, as are the sums of values; between the
two a pass through each row keeps its maximum and the sum of its exponentials (attention_forward.py), or makes
gradients of scores (attention_backward.py). With ``causal`` blocks of which no row sees a key are left out. Blocks
follow from sizes and from the target, and each is summed by itself, so results are the same on any number of threads.
"""

from __future__ import annotations

from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Body
from graphtorch.codegen.loops import AttentionNest
from graphtorch.codegen.schedule.attention_backward import Backward
from graphtorch.codegen.schedule.attention_forward import Forward
from graphtorch.codegen.target import Target
from graphtorch.ir.expr import Attention, AttentionGrad


def attention_body(nest: AttentionNest, target: Target, flat: Flatten) -> Body:
    """The statements of the kernel."""
    match nest.body:
        case Attention():
            return flat.body(Forward(nest, nest.body, target, flat).body())
        case AttentionGrad():
            return flat.body(Backward(nest, nest.body.forward, target, flat, nest.body).body())
