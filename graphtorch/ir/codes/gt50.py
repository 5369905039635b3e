"""GT501 to GT509: gradients that cannot be had."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT501",
        "AutogradError",
        "what backward needs was freed by an earlier backward",
        """Add up the losses and call `backward()` once, compute the loss anew for each call, or pass
        `retain_graph=True` to all calls but the last.""",
        """
        import graphtorch as gt

        x = gt.ones(3, requires_grad=True)
        loss = (x * x).sum()
        loss.backward()
        loss.backward()
        """,
        """
        import graphtorch as gt

        x = gt.ones(3, requires_grad=True)
        loss = (x * x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        """,
    ),
    entry(
        "GT502",
        "AutogradError",
        "what backward needs was changed in place since",
        """The message says which operation has saved it and which one has changed it. Write that one out of place,
        `clone()` the tensor before, or change it after `backward()`.""",
        """
        import graphtorch as gt

        x = gt.ones(3, requires_grad=True)
        y = gt.exp(x)
        y += 1
        y.sum().backward()
        """,
        """
        import graphtorch as gt

        x = gt.ones(3, requires_grad=True)
        y = gt.exp(x)
        y = y + 1
        y.sum().backward()
        """,
    ),
    entry(
        "GT503",
        "AutogradError",
        "a leaf that requires gradients is changed in place while gradients are recorded",
        """A view of a leaf counts, too. An update of weights stands inside of `with gt.no_grad():`; anything else
        changes a copy.""",
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)
        weight -= 0.1
        """,
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)
        with gt.no_grad():
            weight -= 0.1
        """,
    ),
    entry(
        "GT504",
        "AutogradError",
        "gradients cannot follow a view",
        """It is one of several results of `split` and the like, or was made under `no_grad`, and it or its base is
        changed in place; or it is `detach_` of a view, `as_strided` of a part of a storage, or `resize_`. Take the view
        by itself (an index, `narrow`), or write out of place.""",
        """
        import graphtorch as gt

        x = gt.ones(4, requires_grad=True) * 2
        first, second = x.split(2)
        first.mul_(3)
        """,
        """
        import graphtorch as gt

        x = gt.ones(4, requires_grad=True) * 2
        first, second = x[:2], x[2:]
        first.mul_(3)
        """,
    ),
    entry(
        "GT505",
        "AutogradError",
        "`requires_grad` of a computed tensor cannot be switched off",
        """It follows from what the tensor was computed of. `detach()` gives the same numbers without gradients.""",
        """
        import graphtorch as gt

        y = gt.ones(3, requires_grad=True) * 2
        y.requires_grad = False
        """,
        """
        import graphtorch as gt

        y = gt.ones(3, requires_grad=True) * 2
        y = y.detach()
        """,
    ),
    entry(
        "GT506",
        "AutogradError",
        "a gradient is asked for that depends on nothing that requires gradients",
        """Somewhere on the way the history ended: at `no_grad()`, `detach()`, `item()`, a conversion to numpy or to
        integers; or nothing has `requires_grad=True`. `gt.autograd.grad` of unused inputs takes
        `allow_unused=True`.""",
        """
        import graphtorch as gt

        weight = gt.ones(3)
        (weight * 2).sum().backward()
        """,
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)
        (weight * 2).sum().backward()
        """,
    ),
    entry(
        "GT507",
        "AutogradError",
        "`numpy()` of a tensor that requires gradients",
        """numpy cannot continue the history. Say that it ends here: `x.detach().numpy()`.""",
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)
        weight.numpy()
        """,
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)
        weight.detach().numpy()
        """,
    ),
    entry(
        "GT508",
        "AutogradError",
        "there is no gradient rule, or it does not give what it should",
        """An op such as `while_loop` has none: keep gradients away from it with `detach()`. The backward of a
        `Function` returns one tensor, or None, for each argument of forward.""",
        """
        import graphtorch as gt


        class Scale(gt.autograd.Function):
            @staticmethod
            def forward(ctx, x, factor):
                ctx.factor = factor
                return x * factor

            @staticmethod
            def backward(ctx, g):
                return g * ctx.factor


        Scale.apply(gt.ones(3, requires_grad=True), 2.0).sum().backward()
        """,
        """
        import graphtorch as gt


        class Scale(gt.autograd.Function):
            @staticmethod
            def forward(ctx, x, factor):
                ctx.factor = factor
                return x * factor

            @staticmethod
            def backward(ctx, g):
                return g * ctx.factor, None


        Scale.apply(gt.ones(3, requires_grad=True), 2.0).sum().backward()
        """,
    ),
    entry(
        "GT509",
        "AutogradError",
        "a compiled program would give its state or an argument a value with gradients",
        """What a program leaves in tensors from outside has no history. Write `state.copy_(value.detach())`, or return
        the value.""",
        """
        import graphtorch as gt

        weight, last = gt.ones(3, requires_grad=True), gt.zeros(3)


        @gt.compile
        def f(x):
            y = x * weight
            last.copy_(y)
            return y


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt

        weight, last = gt.ones(3, requires_grad=True), gt.zeros(3)


        @gt.compile
        def f(x):
            y = x * weight
            last.copy_(y.detach())
            return y


        f(gt.ones(3))
        """,
    ),
)
