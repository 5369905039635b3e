"""GT701 to GT707: state of modules and optimizers."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT701",
        "StateError",
        "a `state_dict` does not fit the module",
        """Missing or unexpected keys, or other sizes; the message lists them all, and nothing was changed. Make the
        module as the saved one was; `strict=False` lets keys differ, but not sizes.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        saved = {"weight": gt.zeros(3, 5), "scale": gt.zeros(3)}
        nn.Linear(4, 3).load_state_dict(saved)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        saved = {"weight": gt.zeros(3, 5), "bias": gt.zeros(3)}
        nn.Linear(5, 3).load_state_dict(saved)
        """,
    ),
    entry(
        "GT702",
        "MissingAttributeError",
        "a module has no such attribute, or is used before `super().__init__()`",
        """Modules, parameters and buffers are members that `Module.__init__()` makes room for: call it first.""",
        """
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                self.head = nn.Linear(4, 3)


        Net()
        """,
        """
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(4, 3)


        Net()
        """,
    ),
    entry(
        "GT703",
        "StateError",
        "a module without `forward()` was called",
        """Define `forward(self, ...)`: a misspelled name, or one that is indented into another method, is none.
        Containers such as `nn.ModuleList` are not called themselves.""",
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def foward(self, x):
                return x * 2


        Net()(gt.ones(3))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def forward(self, x):
                return x * 2


        Net()(gt.ones(3))
        """,
    ),
    entry(
        "GT704",
        "StateError",
        "a name that a member of a module cannot have",
        """It is empty, has a dot in it, or is taken by an attribute or a method of the module.""",
        """
        from graphtorch import nn

        model = nn.Module()
        model.add_module("block.0", nn.ReLU())
        """,
        """
        from graphtorch import nn

        model = nn.Module()
        model.add_module("block_0", nn.ReLU())
        """,
    ),
    entry(
        "GT705",
        "StateError",
        "a `state_dict` does not fit the optimizer",
        """Groups have other numbers of parameters, or state has other sizes; nothing was changed. Make the optimizer
        with the parameters, in the order, that the saved one had.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        saved = gt.optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1).state_dict()
        gt.optim.SGD(nn.Linear(4, 3, bias=False).parameters(), lr=0.1).load_state_dict(saved)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        saved = gt.optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1).state_dict()
        gt.optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1).load_state_dict(saved)
        """,
    ),
    entry(
        "GT706",
        "StateError",
        "a scheduler cannot resume: the optimizer has no `initial_lr`",
        """With `last_epoch` a schedule goes on from where it was, which the optimizer's state says: load that first.
        Leave `last_epoch` out to begin anew.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        optimizer = gt.optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1)
        gt.optim.lr_scheduler.StepLR(optimizer, step_size=30, last_epoch=10)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        optimizer = gt.optim.SGD(nn.Linear(4, 3).parameters(), lr=0.1)
        gt.optim.lr_scheduler.StepLR(optimizer, step_size=30)
        """,
    ),
    entry(
        "GT707",
        "StateError",
        "a parameter of a lazy module is used before its shape is known",
        """A lazy module, such as `nn.LazyLinear`, takes the size of its input from the first call. Call it once, with
        an input of the sizes that it is to get, before you count, copy or draw its parameters.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        print(sum(p.numel() for p in net.parameters()))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
        net(gt.zeros(1, 3, 32, 32))
        print(sum(p.numel() for p in net.parameters()))
        """,
    ),
)
