"""GT201 to GT207: element types."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT201",
        "DTypeError",
        "operands must have one dtype",
        """Arithmetic promotes; products of matrices, convolutions, the tensors of a layer and operands in IR do not.
        Convert one of them: `x.float()`, `x.to(y.dtype)`. Numbers out of numpy are float64 more often than meant.""",
        """
        import graphtorch as gt
        import numpy as np

        x = gt.from_numpy(np.ones((3, 4)))
        x @ gt.zeros(4, 5)
        """,
        """
        import graphtorch as gt
        import numpy as np

        x = gt.from_numpy(np.ones((3, 4)))
        x.float() @ gt.zeros(4, 5)
        """,
    ),
    entry(
        "GT202",
        "DTypeError",
        "a floating-point dtype is needed",
        """Means, losses, layers and gradients are there for floating-point numbers. Convert with `float()`. In a loss,
        scores and targets may have been swapped.""",
        """
        import graphtorch as gt

        gt.tensor([1, 2, 4]).mean()
        """,
        """
        import graphtorch as gt

        gt.tensor([1, 2, 4]).float().mean()
        """,
    ),
    entry(
        "GT203",
        "DTypeError ArgumentTypeError",
        "the operation does not take this dtype",
        """The message says which it takes: convert with `long()`, `float()` or `bool()`. Where Python wants an
        index, as in
        `items[t]`, a tensor is an integer of one element.""",
        """
        import graphtorch as gt

        mask = gt.tensor([1.0, 0.0, 1.0])
        ~mask
        """,
        """
        import graphtorch as gt

        mask = gt.tensor([1.0, 0.0, 1.0])
        ~mask.bool()
        """,
    ),
    entry(
        "GT204",
        "DTypeError",
        "a condition must be bool",
        """That of `where`, or the mask of `masked_fill` and the like. Compare with something, or convert with
        `bool()`.""",
        """
        import graphtorch as gt

        mask = gt.tensor([1, 0, 1])
        gt.where(mask, gt.ones(3), gt.zeros(3))
        """,
        """
        import graphtorch as gt

        mask = gt.tensor([1, 0, 1])
        gt.where(mask == 1, gt.ones(3), gt.zeros(3))
        """,
    ),
    entry(
        "GT205",
        "DTypeError",
        "class targets must be int64",
        """Class indices are `labels.long()`. Probabilities as targets have the shape of the scores.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        labels = gt.zeros(8)
        F.cross_entropy(gt.zeros(8, 10), labels)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        labels = gt.zeros(8)
        F.cross_entropy(gt.zeros(8, 10), labels.long())
        """,
    ),
    entry(
        "GT206",
        "DTypeError",
        "an in-place operation would store a result of a higher kind",
        """A tensor keeps its dtype: floating-point numbers do not go into integers, nor numbers into bools. Write it
        out
        of place, or make the tensor with the dtype that it will need.""",
        """
        import graphtorch as gt

        total = gt.zeros(3, dtype=gt.int64)
        total += 0.5
        """,
        """
        import graphtorch as gt

        total = gt.zeros(3)
        total += 0.5
        """,
    ),
    entry(
        "GT207",
        "DTypeError",
        "there is no dtype for this dtype of numpy",
        """Unsigned integers of more than a byte, complex numbers, strings, objects, and numbers in the byte order of
        another machine have none. Convert with `astype()` first.""",
        """
        import graphtorch as gt
        import numpy as np

        depth = np.zeros((4, 4), np.uint16)
        gt.from_numpy(depth)
        """,
        """
        import graphtorch as gt
        import numpy as np

        depth = np.zeros((4, 4), np.uint16)
        gt.from_numpy(depth.astype(np.int32))
        """,
    ),
)
