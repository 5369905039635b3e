"""GT510 to GT514: gradients that reach outside of a program, checks of gradients, and scaled ones."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT510",
        "AutogradError",
        "`backward()` inside of a compiled function reaches what was computed before the call",
        """The program knows nothing of that history, and gradients of what came before would be lost. Compute it inside
        of the function, call `backward()` outside, or pass `x.detach()`.""",
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)


        @gt.compile
        def step(x):
            (x * 3).sum().backward()


        step(weight * 2)
        """,
        """
        import graphtorch as gt

        weight = gt.ones(3, requires_grad=True)


        @gt.compile
        def step(x):
            (x * 2 * 3).sum().backward()


        step(weight)
        """,
    ),
    entry(
        "GT511",
        "AutogradError",
        "the total norm of gradients is not finite",
        """`clip_grad_norm_` was told to stop then. Leave the step out, look for what made nan or infinity (a large
        learning rate, log of 0, division by 0), or pass `error_if_nonfinite=False`.""",
        """
        import graphtorch as gt
        from graphtorch.nn.utils import clip_grad_norm_

        weight = gt.zeros(3, requires_grad=True)
        weight.sqrt().sum().backward()
        clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
        """,
        """
        import graphtorch as gt
        from graphtorch.nn.utils import clip_grad_norm_

        weight = gt.zeros(3, requires_grad=True)
        (weight + 1e-6).sqrt().sum().backward()
        clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
        """,
    ),
    entry(
        "GT512",
        "AutogradError",
        "`copy.deepcopy` of a computed tensor that requires gradients",
        """Its history cannot be copied. `detach()` it first, or `clone()` it to stay within the history.""",
        """
        import copy

        import graphtorch as gt

        y = gt.ones(3, requires_grad=True) * 2
        copy.deepcopy(y)
        """,
        """
        import copy

        import graphtorch as gt

        y = gt.ones(3, requires_grad=True) * 2
        copy.deepcopy(y.detach())
        """,
    ),
    entry(
        "GT513",
        "AutogradError",
        "`gradcheck`: a gradient is not that of finite differences",
        """The backward of a `Function` is wrong, or the inputs are not float64, or the function has a kink or draws
        random numbers where it was looked at.""",
        """
        import graphtorch as gt


        class Square(gt.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * x


        x = gt.ones(2, dtype=gt.float64, requires_grad=True)
        gt.autograd.gradcheck(Square.apply, (x,))
        """,
        """
        import graphtorch as gt


        class Square(gt.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 2 * x


        x = gt.ones(2, dtype=gt.float64, requires_grad=True)
        gt.autograd.gradcheck(Square.apply, (x,))
        """,
    ),
    entry(
        "GT514",
        "AutogradError",
        "a GradScaler is used out of turn, or on gradients that cannot be scaled back",
        """Between two calls of `update()` an optimizer's gradients are divided by the scale once, by `unscale_()` or by
        `step()`, and there is one step. Gradients must not be float16: what is scaled so that it is not 0 would be 0
        again. Keep parameters in float32, and let `gt.autocast` choose what is computed in 16 bits.""",
        """
        import graphtorch as gt

        w = gt.nn.Parameter(gt.ones(3))
        optimizer, scaler = gt.optim.SGD([w], lr=0.1), gt.amp.GradScaler("cpu")
        for _ in range(2):
            optimizer.zero_grad()
            scaler.scale((w * 2).sum()).backward()
            scaler.step(optimizer)
        """,
        """
        import graphtorch as gt

        w = gt.nn.Parameter(gt.ones(3))
        optimizer, scaler = gt.optim.SGD([w], lr=0.1), gt.amp.GradScaler("cpu")
        for _ in range(2):
            optimizer.zero_grad()
            scaler.scale((w * 2).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        """,
    ),
)
