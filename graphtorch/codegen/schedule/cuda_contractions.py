"""Which template a contraction gets on CUDA, in how many pieces and parts.

A stride in the way of an input gradient makes it several products, one for each residue (residues.py), each a launch.
A product of too few blocks is split along its sums into parts, which a second launch adds up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphtorch.codegen.cuda_target import CudaTarget
from graphtorch.codegen.flatten import Flatten
from graphtorch.codegen.kernel_ir import Alloc, Body
from graphtorch.codegen.loops import ReduceNest
from graphtorch.codegen.schedule.cuda_contract import product_body, product_grid
from graphtorch.codegen.schedule.cuda_mma import LEAST_PART, mma_product
from graphtorch.codegen.schedule.cuda_pack import packed, turned
from graphtorch.codegen.schedule.cuda_product import Product, product_of
from graphtorch.codegen.schedule.reduction import Reduction, plan_piece, split
from graphtorch.codegen.schedule.residues import residues
from graphtorch.codegen.warp import Precision
from graphtorch.ir.types import DType, bfloat16, float16, float32

#: with so many blocks of tiles a device is busy: two for each multiprocessor of a large one
ENOUGH_BLOCKS = 264
_SIXTEEN: dict[DType, Precision] = {bfloat16: "bf16", float16: "f16"}


@dataclass(frozen=True)
class Contractions:
    """Bodies for products; ``otherwise`` schedules what has no two sides, or no terms."""

    target: CudaTarget
    otherwise: Callable[[Reduction], Body]

    def body(self, nest: ReduceNest, flat: Flatten) -> Body | None:
        """All pieces in turn; None where there is one, and it is no product of two sides."""
        plans = [plan_piece(nest, p, flat) for p in residues(nest) if math.prod(v.size for v in p.vars)]
        if len(plans) == 1 and product_of(plans[0]) is None:
            return None
        precision = self.precision(nest, plans[0])
        return tuple(s for plan in plans for s in self._piece(plan, precision))

    def precision(self, nest: ReduceNest, plan: Reduction) -> Precision | None:
        """Of the tensor cores; None for multiply-adds."""
        product = product_of(plan)
        dtype = product.left.dtype if product else None
        if dtype in _SIXTEEN:
            return _SIXTEEN[dtype] if self.target.tensor_cores else None
        allowed = self.target.tf32_conv if nest.op.startswith("conv") else self.target.tf32_matmul
        return "tf32" if dtype == float32 and allowed else None

    def _piece(self, plan: Reduction, precision: Precision | None) -> Body:
        product = product_of(plan)
        if product is None:
            return self.otherwise(plan)
        parts = split(plan, self._parts(product, precision))
        if parts is None:
            return self._product(plan, precision)
        each, rest = parts
        return (*(Alloc(b, "global") for b, _ in each.finals), *self._product(each, precision), *self.otherwise(rest))

    def _parts(self, product: Product, precision: Precision | None) -> int:
        """In how many parts a product is to be computed at most, so that the device has enough to do."""
        mma = mma_product(product, precision, self.target.shared_bytes) if precision else None
        grid = mma.grid if mma else product_grid(product)
        blocks = math.prod(grid) if grid else 0
        return min(ENOUGH_BLOCKS // blocks, product.plan.domain // LEAST_PART) if blocks else 0

    def _product(self, plan: Reduction, precision: Precision | None) -> Body:
        product = product_of(plan)
        if product is None:
            return self.otherwise(plan)
        mma = mma_product(product, precision, self.target.shared_bytes) if precision else None
        grid = mma.grid if mma else product_grid(product)
        if grid is None:
            return self.otherwise(plan)
        copy, product = packed(product, (grid[2], grid[1]) if mma else (grid[1], grid[2]))
        if mma and precision:
            turns, product = turned(product, (grid[2], grid[1]))
            copy, mma = (*copy, *turns), mma_product(product, precision, self.target.shared_bytes, mma.tile)
        body = mma.body() if mma else product_body(product)
        return self.otherwise(plan) if body is None else (*copy, *body)
