"""GT301 to GT308: arguments."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT301",
        "ArgumentTypeError ArgumentError",
        "an argument of a wrong Python type",
        """The message names the parameter, and what came. Lists and numpy arrays become tensors by `gt.tensor` and
        `gt.from_numpy`.""",
        """
        import graphtorch as gt
        import numpy as np

        gt.relu(np.zeros(3, np.float32))
        """,
        """
        import graphtorch as gt
        import numpy as np

        gt.relu(gt.from_numpy(np.zeros(3, np.float32)))
        """,
    ),
    entry(
        "GT302",
        "IndexRangeError ArgumentError",
        "a dimension or an index is out of range",
        """Dimensions go from -ndim to ndim - 1, indices from -size to size - 1, classes from 0. A program of
        `gt.compile` cannot stop at an index among its data: it gives nan there.""",
        """
        import graphtorch as gt

        gt.zeros(2, 3).sum(dim=2)
        """,
        """
        import graphtorch as gt

        gt.zeros(2, 3).sum(dim=1)
        """,
    ),
    entry(
        "GT303",
        "ArgumentError ArgumentTypeError IndexRangeError",
        "a dimension is named twice, or an order of dimensions is not a permutation",
        """Every dimension stands once in `permute`, and at most once in `dim` of a reduction; -1 and the last
        dimension are one.""",
        """
        import graphtorch as gt

        gt.zeros(2, 3, 4).permute(0, 2, -1)
        """,
        """
        import graphtorch as gt

        gt.zeros(2, 3, 4).permute(0, 2, 1)
        """,
    ),
    entry(
        "GT304",
        "ArgumentError",
        "a value that is not allowed",
        """The message names the parameter, its value, and which values are allowed.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.max_pool2d(gt.zeros(1, 1, 4, 4), 2, padding=2)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.max_pool2d(gt.zeros(1, 1, 4, 4), 2, padding=1)
        """,
    ),
    entry(
        "GT305",
        "ArgumentError",
        "batch norm cannot be trained on one value per channel",
        """Its variance would be 0. Take larger batches (`drop_last=True` leaves out a last one of a single sample), or
        call `eval()` where the model is not trained.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.BatchNorm1d(16)
        model(gt.zeros(1, 16))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.BatchNorm1d(16).eval()
        model(gt.zeros(1, 16))
        """,
    ),
    entry(
        "GT306",
        "ArgumentError",
        "an optimizer was given no parameters, one twice, or one that is computed",
        """It changes leaves: what `model.parameters()` gives, or tensors that were made with `requires_grad=True`. An
        iterator such as `model.parameters()` is empty when it is used a second time.""",
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True) * 0.1
        gt.optim.SGD([weight], lr=0.1)
        """,
        """
        import graphtorch as gt

        weight = gt.full((3,), 0.1, requires_grad=True)
        gt.optim.SGD([weight], lr=0.1)
        """,
    ),
    entry(
        "GT308",
        "ArgumentError",
        "`gt.compile(dynamic=...)` names an argument that there is not, or a size badly",
        """Keys of `dynamic` are names of the function's arguments, and names of sizes are identifiers.""",
        """
        import graphtorch as gt

        gt.compile(lambda x: x * 2, dynamic={"input": {0: "B"}})
        """,
        """
        import graphtorch as gt

        gt.compile(lambda x: x * 2, dynamic={"x": {0: "B"}})
        """,
    ),
)
