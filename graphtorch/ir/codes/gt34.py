"""GT340 to GT349: numbers that become infinite or nan, float64 that comes in, integers that wrap or lose a fraction."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT340",
        "ContractError",
        "a logarithm of what can be 0 or negative",
        """The message says which numbers the operand can be, and why. Keep it away from 0 with `clamp` or a small
        addend, or take the function that does both: `log_softmax`, `logsigmoid`.""",
        """
        import graphtorch as gt


        def entropy(scores):
            p = gt.softmax(scores, -1)
            return -(p * gt.log(p)).sum(-1)


        report = gt.check(entropy, gt.TensorSpec((4, 10)))
        """,
        """
        import graphtorch as gt


        def entropy(scores):
            p = gt.softmax(scores, -1)
            return -(p * gt.log_softmax(scores, -1)).sum(-1)


        report = gt.check(entropy, gt.TensorSpec((4, 10)))
        """,
        "note",
    ),
    entry(
        "GT341",
        "ContractError",
        "a root of what can be negative, or whose gradient is infinite because it can be 0",
        """The gradient of a square root at 0 is infinite, and nan once it is multiplied by a gradient of 0: distances
        of equal points are the usual case. Add a small number below the root.""",
        """
        import graphtorch as gt


        def distance(a, b):
            return gt.sqrt(((a - b) ** 2).sum(-1))


        points = gt.TensorSpec((8, 3), requires_grad=True)
        report = gt.check(distance, points, points)
        """,
        """
        import graphtorch as gt


        def distance(a, b):
            return gt.sqrt(((a - b) ** 2).sum(-1) + 1e-6)


        points = gt.TensorSpec((8, 3), requires_grad=True)
        report = gt.check(distance, points, points)
        """,
        "note",
    ),
    entry(
        "GT342",
        "ContractError",
        "a division by what can be 0",
        """Something is known of the divisor, such as that it is a norm, a count, or a sum of an input whose spec has a
        `range`, and 0 is among its numbers. Of a divisor that can be anything nothing is said.""",
        """
        import graphtorch as gt


        def shares(x):
            return x / x.sum(-1, keepdim=True)


        report = gt.check(shares, gt.TensorSpec((4, 10), range=(0, 1)))
        """,
        """
        import graphtorch as gt


        def shares(x):
            return x / (x.sum(-1, keepdim=True) + 1e-6)


        report = gt.check(shares, gt.TensorSpec((4, 10), range=(0, 1)))
        """,
        "note",
    ),
    entry(
        "GT343",
        "ContractError",
        "an inverse function of numbers that it is not defined for",
        """`acos` and `asin` take numbers in [-1, 1], `acosh` from 1 on; `atanh`, `erfinv` and `logit` are infinite at
        the ends of theirs. Limit the operand with `clamp`.""",
        """
        import graphtorch as gt

        report = gt.check(lambda x: gt.acos(x * 2), gt.TensorSpec((4,), range=(-1, 1)))
        """,
        """
        import graphtorch as gt

        report = gt.check(lambda x: gt.acos(x), gt.TensorSpec((4,), range=(-1, 1)))
        """,
        "note",
    ),
    entry(
        "GT344",
        "ContractError",
        "an exponential that overflows",
        """The operand is greater than the logarithm of the greatest number of the dtype, which is 88.7 for float32, or
        can be by the range of an input.""",
        """
        import graphtorch as gt

        report = gt.check(gt.exp, gt.TensorSpec((4, 10), range=(0, 255)))
        """,
        """
        import graphtorch as gt

        report = gt.check(lambda x: gt.exp(x / 255), gt.TensorSpec((4, 10), range=(0, 255)))
        """,
        "note",
    ),
    entry(
        "GT345",
        "ContractError",
        "softmax, logsumexp or softplus written by hand",
        """The exponential overflows for scores above 88.7 in float32. The functions of the library subtract the
        greatest score first, and give the same numbers otherwise.""",
        """
        import graphtorch as gt


        def attention(scores):
            e = gt.exp(scores)
            return e / e.sum(-1, keepdim=True)


        report = gt.check(attention, gt.TensorSpec((4, 10)))
        """,
        """
        import graphtorch as gt


        def attention(scores):
            return gt.softmax(scores, -1)


        report = gt.check(attention, gt.TensorSpec((4, 10)))
        """,
        "note",
    ),
    entry(
        "GT346",
        "ContractError",
        "float64 comes into a float32 model",
        """Most often from a numpy array, which is float64 unless told otherwise. It is a note where the model goes back
        to float32 by itself, or float64 was asked for with `.double()`. `gt.compile` warns of it too, of functions that
        call modules. Where a layer refuses the float64 that comes to it, GT201 says where it came in.""",
        """
        import numpy as np

        import graphtorch as gt
        from graphtorch import nn


        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(8, 3)
                self.scale = gt.from_numpy(np.linspace(0, 1, 3))

            def forward(self, x):
                return self.linear(x) * self.scale


        report = gt.check(Scaled(), gt.TensorSpec((4, 8)))
        """,
        """
        import numpy as np

        import graphtorch as gt
        from graphtorch import nn


        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(8, 3)
                self.scale = gt.from_numpy(np.linspace(0, 1, 3)).float()

            def forward(self, x):
                return self.linear(x) * self.scale


        report = gt.check(Scaled(), gt.TensorSpec((4, 8)))
        """,
        "warning",
    ),
    entry(
        "GT347",
        "ContractError",
        "integer arithmetic that can leave its dtype, and wraps around",
        """Differences of bytes are the usual case: 3 - 5 is 254 in uint8. Convert before you compute, or say with the
        `range` of the spec which numbers there are.""",
        """
        import graphtorch as gt

        images = gt.TensorSpec((2, 3, 8, 8), gt.uint8)
        report = gt.check(lambda a, b: a - b, images, images)
        """,
        """
        import graphtorch as gt

        images = gt.TensorSpec((2, 3, 8, 8), gt.uint8)
        report = gt.check(lambda a, b: a.float() - b, images, images)
        """,
        "note",
    ),
    entry(
        "GT348",
        "ContractError",
        "a rounded quotient of which hardly anything is left, or that is used as a float",
        """`//` cuts off the fraction: an image // 255 is 0, and 1 where it was 255. `/` of integers gives floats.""",
        """
        import graphtorch as gt

        report = gt.check(lambda image: image // 255, gt.TensorSpec((3, 8, 8), gt.uint8))
        """,
        """
        import graphtorch as gt

        report = gt.check(lambda image: image / 255, gt.TensorSpec((3, 8, 8), gt.uint8))
        """,
        "note",
    ),
    entry(
        "GT349",
        "ContractError",
        "a cast to integers that makes 0 of nearly everything",
        """The numbers lie between -1 and 1, and a cast cuts off the fraction. Round or compare before.""",
        """
        import graphtorch as gt

        report = gt.check(lambda x: gt.sigmoid(x).long(), gt.TensorSpec((4,)))
        """,
        """
        import graphtorch as gt

        report = gt.check(lambda x: gt.sigmoid(x).round().long(), gt.TensorSpec((4,)))
        """,
        "note",
    ),
)
