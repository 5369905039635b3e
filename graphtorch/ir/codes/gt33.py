"""GT330 to GT339: training."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT330",
        "ContractError ContractWarning",
        "an optimizer holds parameters that are not in the model",
        """It was built before the model, or before one of its layers was replaced. Where none of its parameters is in
        the model it is an error; where a layer was replaced, a warning.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))
        report = gt.check(net, gt.TensorSpec((8, 5)), optimizer=optimizer)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        report = gt.check(net, gt.TensorSpec((8, 5)), optimizer=optimizer)
        """,
    ),
    entry(
        "GT331",
        "ContractError ContractWarning",
        "parameters of a model get gradients, and no optimizer holds them",
        """They do not change. It is a note where a net is only asked for gradients: no model is trained, or it is in
        evaluation mode. What stays as it is should be frozen: `requires_grad_(False)`.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU())
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        net.append(nn.Linear(7, 3))
        labels = gt.TensorSpec((8,), gt.int64)
        loss = nn.CrossEntropyLoss()
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=loss, targets=labels, optimizer=optimizer)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU())
        net.append(nn.Linear(7, 3))
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        labels = gt.TensorSpec((8,), gt.int64)
        loss = nn.CrossEntropyLoss()
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=loss, targets=labels, optimizer=optimizer)
        """,
        severity="warning",
    ),
    entry(
        "GT332",
        "ContractError",
        "an optimizer holds frozen parameters",
        """They do not require gradients and do not change. That is usual in fine-tuning, where an optimizer is given
        all of a model.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        net[0].requires_grad_(False)
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        report = gt.check(net, gt.TensorSpec((8, 5)), optimizer=optimizer)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
        net[0].requires_grad_(False)
        optimizer = optim.SGD(net[2].parameters(), lr=0.1)
        report = gt.check(net, gt.TensorSpec((8, 5)), optimizer=optimizer)
        """,
        severity="note",
    ),
    entry(
        "GT333",
        "ContractError ContractWarning",
        "two optimizers update one parameter with the same gradient",
        """Both make a step after one backward pass. Where each has a backward pass of its own, nothing is said.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Linear(5, 1)
        first = optim.SGD(net.parameters(), lr=0.1)
        second = optim.Adam([net.weight], lr=0.1)


        def step(x):
            first.zero_grad()
            net(x).mean().backward()
            first.step()
            second.step()


        report = gt.check(step, gt.TensorSpec((8, 5)))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Linear(5, 1)
        first = optim.SGD([net.bias], lr=0.1)
        second = optim.Adam([net.weight], lr=0.1)


        def step(x):
            net.zero_grad()
            net(x).mean().backward()
            first.step()
            second.step()


        report = gt.check(step, gt.TensorSpec((8, 5)))
        """,
        severity="warning",
    ),
    entry(
        "GT334",
        "ContractError ContractWarning",
        "layers or parameters are kept where their module does not look",
        """What is in a plain list, tuple or dict, or a tensor that is no `nn.Parameter`, is not in `parameters()` and
        `state_dict()`. Where an optimizer was given it by hand, it is a note.""",
        """
        import graphtorch as gt
        from graphtorch import nn


        class Deep(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = [nn.Linear(5, 5) for _ in range(3)]

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x).relu()
                return x


        report = gt.check(Deep(), gt.TensorSpec((8, 5)))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn


        class Deep(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(5, 5) for _ in range(3)])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x).relu()
                return x


        report = gt.check(Deep(), gt.TensorSpec((8, 5)))
        """,
    ),
    entry(
        "GT335",
        "ContractError ContractWarning",
        "parameters get no gradient: the path to the loss ends on the way",
        """It ends at `detach()`, under `no_grad`, in `.data`, where numbers become integers, booleans or indices, and
        in `round()` and its like. What is not to be trained should be frozen, and not be in the optimizer.""",
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.head = nn.Linear(5, 7), nn.Linear(7, 3)

            def forward(self, x):
                return self.head((self.body(x) > 0).float())


        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(Net(), gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.head = nn.Linear(5, 7), nn.Linear(7, 3)

            def forward(self, x):
                return self.head(self.body(x).sigmoid())


        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(Net(), gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        severity="warning",
    ),
    entry(
        "GT336",
        "ContractError ContractWarning",
        "gradients are not cleared from one step to the next",
        """`backward()` adds to `.grad`. The caller of a compiled step may clear them between calls, so `gt.compile`
        says it at the second call, if that finds what the first has left.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Linear(5, 1)
        optimizer = optim.SGD(net.parameters(), lr=0.1)


        def step(x):
            net(x).mean().backward()
            optimizer.step()


        report = gt.check(step, gt.TensorSpec((8, 5)))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Linear(5, 1)
        optimizer = optim.SGD(net.parameters(), lr=0.1)


        def step(x):
            optimizer.zero_grad()
            net(x).mean().backward()
            optimizer.step()


        report = gt.check(step, gt.TensorSpec((8, 5)))
        """,
        severity="warning",
    ),
    entry(
        "GT337",
        "ContractError ContractWarning",
        "a model is trained in evaluation mode",
        """Its dropout drops nothing, and its batch norm does not learn from batches. Layers in evaluation mode within a
        model in training mode are so on purpose.""",
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3)).eval()
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        labels = gt.TensorSpec((8,), gt.int64)
        loss = nn.CrossEntropyLoss()
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=loss, targets=labels, optimizer=optimizer)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn, optim

        net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3)).train()
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        labels = gt.TensorSpec((8,), gt.int64)
        loss = nn.CrossEntropyLoss()
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=loss, targets=labels, optimizer=optimizer)
        """,
        severity="warning",
    ),
    entry(
        "GT338",
        "ContractError ContractWarning",
        "dropout is the last layer: its output goes into the loss",
        """Some scores or predictions are 0 then, and the others too large. It belongs before the last layer.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.2))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        net = nn.Sequential(nn.Dropout(0.2), nn.Linear(5, 3))
        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(net, gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        severity="warning",
    ),
    entry(
        "GT339",
        "ContractError",
        "parameters get no gradient: they are not used, or not in the loss",
        """A head for another task is often so.""",
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head, self.spare = nn.Linear(5, 3), nn.Linear(5, 2)

            def forward(self, x):
                return self.head(x)


        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(Net(), gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        """
        import graphtorch as gt
        from graphtorch import nn


        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(5, 3)

            def forward(self, x):
                return self.head(x)


        labels = gt.TensorSpec((8,), gt.int64)
        report = gt.check(Net(), gt.TensorSpec((8, 5)), loss=nn.CrossEntropyLoss(), targets=labels)
        """,
        severity="note",
    ),
)
