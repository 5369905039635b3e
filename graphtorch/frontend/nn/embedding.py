"""Rows of a table that is learnt, by index."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn import functional as F
from graphtorch.frontend.nn import init
from graphtorch.frontend.nn.arguments import flag, number, one_of, positive
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.nn.parameter import Parameter
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import aval_of
from graphtorch.ir.ops.embedding import padding_row, refuse_sparse
from graphtorch.ir.types import DType


class Embedding(Module):
    """Row ``input`` of ``weight`` [num_embeddings, embedding_dim], for indices, int64 or int32, of any shape.

    The weight starts normal, with zeros in the row ``padding_idx``, which gets no gradient. ``_weight`` is used as
    the weight, and ``_freeze`` takes it out of training. ``max_norm``, ``norm_type`` and ``scale_grad_by_freq`` are
    those of `embedding`. ArgumentError GT304 for sizes below 1, and for ``sparse``, which is not supported.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        check_device(device)
        refuse_sparse(sparse)
        self.num_embeddings = positive(num_embeddings, "num_embeddings")
        self.embedding_dim = positive(embedding_dim, "embedding_dim")
        self.padding_idx = None if padding_idx is None else padding_row(padding_idx, num_embeddings)
        self.max_norm = None if max_norm is None else number(max_norm, "max_norm")
        self.norm_type = number(norm_type, "norm_type")
        self.scale_grad_by_freq, self.sparse = flag(scale_grad_by_freq, "scale_grad_by_freq"), sparse
        trained, shape = not flag(_freeze, "_freeze"), (self.num_embeddings, self.embedding_dim)
        if _weight is None:
            self.weight = Parameter(PUBLIC["gt"]["empty"](*shape, dtype=dtype), trained)
            self.reset_parameters()
            return
        given = aval_of(_weight).shape
        check(given == shape, "GT103", "_weight does not fit", f"expected {list(shape)}, got {list(given)}")
        self.weight = Parameter(_weight, trained)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer over ``embeddings`` [rows, size], which ``freeze`` takes out of training."""
        shape = aval_of(embeddings).shape
        check(len(shape) == 2, "GT107", "embeddings must be [rows, size]", f"expected 2 dimensions, got {len(shape)}")
        rows, size = shape
        return cls(rows, size, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    @no_grad()
    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            padded = PUBLIC["gt"]["arange"](self.num_embeddings).unsqueeze(1) == self.padding_idx
            self.weight.copy_(PUBLIC["gt"]["where"](padded, 0, self.weight))

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(  # type: ignore[no-any-return]
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        norm = "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        most = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        scaled = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{most}{norm}{scaled}"


class EmbeddingBag(Module):
    """Sums, means or maxima of bags of rows of ``weight`` [num_embeddings, embedding_dim]; see `embedding_bag`.

    The weight starts normal, with zeros in the row ``padding_idx``. ``_weight`` is used as the weight. ArgumentError
    GT304 for sizes below 1, and for ``sparse``, which is not supported.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        table = Embedding(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim
        self.padding_idx, self.weight = table.padding_idx, table.weight
        self.max_norm, self.norm_type = table.max_norm, table.norm_type
        self.scale_grad_by_freq, self.sparse = table.scale_grad_by_freq, sparse
        self.mode = one_of(mode, "mode", "sum", "mean", "max")
        self.include_last_offset = flag(include_last_offset, "include_last_offset")

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer over ``embeddings`` [rows, size], which ``freeze`` takes out of training."""
        shape = aval_of(embeddings).shape
        check(len(shape) == 2, "GT107", "embeddings must be [rows, size]", f"expected 2 dimensions, got {len(shape)}")
        rows, size = shape
        made = cls(
            rows,
            size,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(  # type: ignore[no-any-return]
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            per_sample_weights=per_sample_weights, include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        norm = "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        most = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        scaled = ", scale_grad_by_freq=True" if self.scale_grad_by_freq else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{most}{norm}{scaled}, mode={self.mode!r}{padding}"
