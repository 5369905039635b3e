"""GT320 to GT326: losses."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT320",
        "ContractError",
        "input and target of a loss are swapped",
        """By their types, labels come first; or, where types are alike, the target is computed from parameters and the
        input is not. A target that is meant to be trained is let pass by `ignore={"GT320"}`.""",
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        scores, labels = gt.zeros(8, 10), gt.zeros(8, dtype=gt.int64)
        F.cross_entropy(labels, scores)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn import functional as F

        scores, labels = gt.zeros(8, 10), gt.zeros(8, dtype=gt.int64)
        F.cross_entropy(scores, labels)
        """,
    ),
    entry(
        "GT321",
        "ContractError",
        "an activation stands before a loss that applies it itself",
        """softmax before `cross_entropy`, sigmoid before `binary_cross_entropy_with_logits`: the loss of a perfect
        prediction is not 0 then, and gradients are small. `log_softmax` changes nothing, and is a note.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=1))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Linear(5, 3))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        severity="warning",
    ),
    entry(
        "GT322",
        "ContractError",
        "`nll_loss` or `kl_div` is given what is not log-probabilities",
        """Both want what `log_softmax` gives. The target of `kl_div` is probabilities, or their logarithms with
        `log_target=True`.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Linear(5, 3), nn.Softmax(dim=1))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.NLLLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Linear(5, 3), nn.LogSoftmax(dim=1))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.NLLLoss(), targets=labels)
        """,
        severity="warning",
    ),
    entry(
        "GT323",
        "ContractError",
        "`binary_cross_entropy` is given what is not probabilities",
        """It wants numbers in [0, 1], as sigmoid gives them; the loss of scores is
        `binary_cross_entropy_with_logits`.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Linear(5, 1)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.BCELoss(), targets=gt.TensorSpec((8, 1)))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net, loss = nn.Linear(5, 1), nn.BCEWithLogitsLoss()
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=loss, targets=gt.TensorSpec((8, 1)))
        """,
        severity="warning",
    ),
    entry(
        "GT324",
        "ContractError ContractWarning",
        "input and target of a regression loss differ in shape, and broadcast",
        """[n, 1] and [n] become [n, n]: every output is compared with every target. Eager mode, traces and programs
        tell it as a ContractWarning, whose text begins as torch's.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Linear(5, 1)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.MSELoss(), targets=gt.TensorSpec((8,)))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Linear(5, 1)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.MSELoss(), targets=gt.TensorSpec((8, 1)))
        """,
        severity="warning",
    ),
    entry(
        "GT325",
        "ContractError",
        "the result of a loss is reduced, or averaged, a second time",
        """A loss with `reduction="mean"` or "sum" is one number. Its mean is that number; a mean that is divided by the
        number of samples once more is small.""",
        """
        import graphtorch as gt
        from graphtorch import nn
        from graphtorch.nn import functional as F

        net = nn.Linear(5, 1)
        report = gt.check(lambda x, y: F.mse_loss(net(x), y).mean(), gt.zeros(8, 5), gt.zeros(8, 1))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn
        from graphtorch.nn import functional as F

        net = nn.Linear(5, 1)
        report = gt.check(lambda x, y: F.mse_loss(net(x), y), gt.zeros(8, 5), gt.zeros(8, 1))
        """,
        severity="note",
    ),
    entry(
        "GT326",
        "ContractError",
        "`cross_entropy` over one class is always 0",
        """Of one score softmax is 1. For yes or no there is `binary_cross_entropy_with_logits`, or a score for each of
        two classes.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net, labels = nn.Linear(5, 1), gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net, labels = nn.Linear(5, 2), gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        severity="warning",
    ),
)
