"""GT101 to GT109: shapes."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT101",
        "ShapeError",
        "sizes do not broadcast",
        """Sizes are compared from the right: they are equal, or one of them is 1. Give the smaller tensor the dimension
        that it lacks, with `unsqueeze()` or `reshape()`. An in-place operation must not change the shape of its tensor:
        write it out of place.""",
        """
        import graphtorch as gt

        scores, weights = gt.zeros(8, 10), gt.ones(8)
        scores * weights
        """,
        """
        import graphtorch as gt

        scores, weights = gt.zeros(8, 10), gt.ones(8)
        scores * weights.unsqueeze(1)
        """,
    ),
    entry(
        "GT102",
        "ShapeError",
        "channels do not match those of the weight",
        """The input of a convolution has the channels of its weight, times `groups`; a per-channel tensor of a
        normalization or of `prelu` has one element for each channel of the input. Make the layer with the channels that
        the one before it gives.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(32, 64, 3))
        model(gt.zeros(8, 3, 32, 32))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 64, 3))
        model(gt.zeros(8, 3, 32, 32))
        """,
    ),
    entry(
        "GT103",
        "ShapeError ArgumentError AutogradError",
        "a tensor is not of the one shape or type that is possible here",
        """A bias, a class weight, a target, a gradient, the state of a generator, an operand in IR: the message says
        which shape was expected. Often a dimension of size 1 is too much or too little: `squeeze()` or `unsqueeze()`
        it.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        probabilities, labels = gt.zeros(8, 1), gt.zeros(8)
        F.binary_cross_entropy(probabilities, labels)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        probabilities, labels = gt.zeros(8, 1), gt.zeros(8)
        F.binary_cross_entropy(probabilities.squeeze(1), labels)
        """,
    ),
    entry(
        "GT104",
        "ShapeError",
        "a shape cannot be expanded to another",
        """A size can be repeated where it is 1; any other stays as it is, or is written as -1. To repeat a tensor along
        a dimension of another size, use `repeat()`.""",
        """
        import graphtorch as gt

        gt.zeros(3, 4).expand(6, 4)
        """,
        """
        import graphtorch as gt

        gt.zeros(3, 4).repeat(2, 1)
        """,
    ),
    entry(
        "GT105",
        "ShapeError",
        "a tensor cannot be reshaped or viewed in this way",
        """The number of elements stays the same, and one size at most is -1. `view` also needs elements that lie in
        memory in the order of the result: use `reshape`, which copies where it must.""",
        """
        import graphtorch as gt

        gt.zeros(8, 3, 4).reshape(8, 10)
        """,
        """
        import graphtorch as gt

        gt.zeros(8, 3, 4).reshape(8, -1)
        """,
    ),
    entry(
        "GT106",
        "ShapeError",
        "tensors cannot be joined: their sizes differ at another dimension",
        """`cat` and the like join along `dim`; all other sizes are equal. Look whether `dim` is the one that was
        meant.""",
        """
        import graphtorch as gt

        gt.cat([gt.zeros(2, 3), gt.zeros(2, 5)])
        """,
        """
        import graphtorch as gt

        gt.cat([gt.zeros(2, 3), gt.zeros(2, 5)], dim=1)
        """,
    ),
    entry(
        "GT107",
        "ShapeError ArgumentError ArgumentTypeError",
        "a wrong number of dimensions",
        """The message says how many are expected. Most often the batch or the channels are missing: `unsqueeze(0)`; or
        the layer is the one for data of another rank.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        nn.BatchNorm2d(16)(gt.zeros(8, 16))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        nn.BatchNorm1d(16)(gt.zeros(8, 16))
        """,
    ),
    entry(
        "GT108",
        "ShapeError",
        "a maximum, minimum, median or argmax over no elements",
        """There is no such element in an empty tensor. Leave it out where there is nothing to look at; the sum, the
        mean and the like of no elements do exist.""",
        """
        import graphtorch as gt

        losses = gt.zeros(0)
        print(losses.max())
        """,
        """
        import graphtorch as gt

        losses = gt.zeros(0)
        if losses.numel() > 0:
            print(losses.max())
        """,
    ),
    entry(
        "GT109",
        "ShapeError",
        "the inner sizes of a matrix product do not match",
        """The last size of the first matrix is the second-last of the other. `nn.Linear` wants its `in_features` as
        the last size of its input, which the message shows.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
        model(gt.zeros(8, 3, 8, 8))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        model = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
        model(gt.zeros(8, 3, 8, 8))
        """,
    ),
)
