"""GT110 to GT119: shapes of windows, losses and data, memory, and what bodies of loops give."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT110",
        "ShapeError",
        "`groups` does not divide the output channels",
        """A convolution in groups makes as many output channels in each: the first size of its weight is a multiple of
        `groups`.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.conv2d(gt.zeros(1, 4, 8, 8), gt.zeros(6, 1, 3, 3), groups=4)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.conv2d(gt.zeros(1, 4, 8, 8), gt.zeros(8, 1, 3, 3), groups=4)
        """,
    ),
    entry(
        "GT111",
        "ShapeError",
        "the kernel or window is larger than the padded input",
        """Nothing would be left. Pad the input, take a smaller window, or leave out one of the layers that made the
        input so small.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        nn.Conv2d(1, 8, 5)(gt.zeros(2, 1, 4, 4))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        nn.Conv2d(1, 8, 5, padding=2)(gt.zeros(2, 1, 4, 4))
        """,
    ),
    entry(
        "GT112",
        "ShapeError",
        "class targets do not match the scores",
        """Scores [n, classes, ...] take class indices [n, ...], or probabilities of the shape of the scores. Batches of
        unequal length come from another loader or a wrong slice; targets [n, 1] need `squeeze(1)`.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.cross_entropy(gt.zeros(8, 10), gt.zeros(7, dtype=gt.int64))
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        F.cross_entropy(gt.zeros(8, 10), gt.zeros(8, dtype=gt.int64))
        """,
    ),
    entry(
        "GT113",
        "ShapeError",
        "a tensor of one element is needed",
        """`item()`, `bool()`, `int()` and `float()` make a number of one element, and `backward()` without a gradient
        starts at one. Reduce first: `mean()`, `sum()`, `any()`, `all()`; `tolist()` gives all numbers.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        x = gt.ones(8, 3, requires_grad=True)
        loss = F.mse_loss(x, gt.zeros(8, 3), reduction="none")
        loss.backward()
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        x = gt.ones(8, 3, requires_grad=True)
        loss = F.mse_loss(x, gt.zeros(8, 3), reduction="none")
        loss.mean().backward()
        """,
    ),
    entry(
        "GT114",
        "ShapeError",
        "nested sequences of unequal lengths",
        """A tensor has rows of one length. Pad the shorter ones, or make a tensor of each row.""",
        """
        import graphtorch as gt

        gt.tensor([[1, 2, 3], [4, 5]])
        """,
        """
        import graphtorch as gt

        gt.tensor([[1, 2, 3], [4, 5, 0]])
        """,
    ),
    entry(
        "GT115",
        "ShapeError",
        "tensors of a data set hold different numbers of samples",
        """Sample i is made of the elements i of all tensors, so their first sizes are equal.""",
        """
        import graphtorch as gt
        from graphtorch.utils.data import TensorDataset

        images, labels = gt.zeros(10, 3, 8, 8), gt.zeros(9, dtype=gt.int64)
        TensorDataset(images, labels)
        """,
        """
        import graphtorch as gt
        from graphtorch.utils.data import TensorDataset

        images, labels = gt.zeros(10, 3, 8, 8), gt.zeros(9, dtype=gt.int64)
        TensorDataset(images[:9], labels)
        """,
    ),
    entry(
        "GT116",
        "ShapeError",
        "samples of one batch differ in length or shape",
        """A batch is one array for each part of a sample. Bring the samples to one shape in the data set, or give the
        loader a `collate_fn` that pads them. (Tensors of different shapes are GT106.)""",
        """
        import numpy as np
        from graphtorch.utils.data import DataLoader

        samples = [np.ones(3), np.ones(5)]
        batches = list(DataLoader(samples, batch_size=2))
        """,
        """
        import numpy as np
        from graphtorch.utils.data import DataLoader

        samples = [np.pad(s, (0, 5 - len(s))) for s in (np.ones(3), np.ones(5))]
        batches = list(DataLoader(samples, batch_size=2))
        """,
    ),
    entry(
        "GT117",
        "ShapeError",
        "a tensor is written in place, and its memory does not allow that",
        """After `expand()` several elements are one in memory, and what numpy handed over may be read-only. `clone()`
        it first.""",
        """
        import graphtorch as gt

        rows = gt.zeros(4).expand(3, 4)
        rows.add_(1)
        """,
        """
        import graphtorch as gt

        rows = gt.zeros(4).expand(3, 4).clone()
        rows.add_(1)
        """,
    ),
    entry(
        "GT118",
        "ShapeError",
        "a function given to `scan`, `cond` or `while_loop` returns what does not fit",
        """The function of `scan` returns (carry, y), and the carry keeps its structure, shapes and dtypes; both
        branches of `cond` return the same types; the test of `while_loop` is a bool of one element.""",
        """
        import graphtorch as gt


        def combine(carry, x):
            return carry + x, x


        gt.scan(combine, gt.zeros(1), gt.ones(5, 4))
        """,
        """
        import graphtorch as gt


        def combine(carry, x):
            return carry + x, x


        gt.scan(combine, gt.zeros(4), gt.ones(5, 4))
        """,
    ),
    entry(
        "GT119",
        "ShapeError",
        "sizes that have one name in `gt.compile(dynamic=...)` differ in a call",
        """One name is one size, which the program relies on. Give sizes that are independent names of their own.""",
        """
        import graphtorch as gt

        f = gt.compile(lambda x, y: x + y.sum(), dynamic={"x": {0: "B"}, "y": {0: "B"}})
        f(gt.zeros(8, 3), gt.zeros(9))
        """,
        """
        import graphtorch as gt

        f = gt.compile(lambda x, y: x + y.sum(), dynamic={"x": {0: "B"}, "y": {0: "N"}})
        f(gt.zeros(8, 3), gt.zeros(9))
        """,
    ),
)
