"""GT610 to GT616: what a program cannot keep, return or write."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT610",
        "TraceError",
        "`requires_grad` of a tensor from outside is changed inside of a compiled function",
        """Call `requires_grad_()` before or after the call: there are programs for either.""",
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            x.requires_grad_()
            return (x * x).sum()


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            return (x * x).sum()


        f(gt.ones(3).requires_grad_())
        """,
    ),
    entry(
        "GT611",
        "TraceError",
        "the function keeps a tensor where the program would not put the next one",
        """In a global, in a cache of functools, or in the `__dict__` of a module by hand. Return it, and assign it
        outside; an attribute of a module, `self.last = x`, is kept.""",
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            global last
            last = x * 2
            return x + 1


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            return x + 1, x * 2


        y, last = f(gt.ones(3))
        """,
    ),
    entry(
        "GT612",
        "TraceError",
        "the function returns an object that hides a tensor from the calls to come",
        """An object, a function, a set or a key of a dict that holds a tensor of the trace, or an iterator. Return
        tensors in tuples, lists and dicts (as values), and make the object outside.""",
        """
        from types import SimpleNamespace

        import graphtorch as gt


        @gt.compile
        def f(x):
            return SimpleNamespace(twice=x * 2)


        f(gt.ones(3))
        """,
        """
        from types import SimpleNamespace

        import graphtorch as gt


        @gt.compile
        def f(x):
            return {"twice": x * 2}


        SimpleNamespace(**f(gt.ones(3)))
        """,
    ),
    entry(
        "GT613",
        "TraceError",
        "the program would write a tensor in place whose memory does not allow that",
        """It is read-only, or several elements are one in memory, as after `expand()`. `clone()` it before the
        call.""",
        """
        import graphtorch as gt


        @gt.compile
        def increment(x):
            return x.add_(1)


        increment(gt.zeros(1).expand(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def increment(x):
            return x.add_(1)


        increment(gt.zeros(1).expand(3).clone())
        """,
    ),
    entry(
        "GT614",
        "TraceError",
        "a function that was compiled with `freeze=True` is called where gradients are wanted",
        """Its weights are folded into the program. Call it under `gt.no_grad()`, or compile the model without `freeze`
        to train it.""",
        """
        import graphtorch as gt
        from graphtorch import nn

        model = gt.compile(nn.Linear(4, 3), freeze=True)
        model(gt.zeros(2, 4))
        """,
        """
        import graphtorch as gt
        from graphtorch import nn

        model = gt.compile(nn.Linear(4, 3), freeze=True)
        with gt.no_grad():
            model(gt.zeros(2, 4))
        """,
    ),
    entry(
        "GT616",
        "TraceError",
        "a function given to `scan`, `cond` or `while_loop` does more than compute its results",
        """It writes a tensor that it did not make (drawing random numbers does, too), calls `backward()`, or keeps a
        tensor. Make what changes a carry, and return what is to be kept.""",
        """
        import graphtorch as gt

        total = gt.zeros(4)


        def combine(carry, x):
            total.add_(x)
            return carry + 1, x


        gt.compile(lambda xs: gt.scan(combine, gt.zeros(()), xs))(gt.ones(5, 4))
        """,
        """
        import graphtorch as gt


        def combine(carry, x):
            count, total = carry
            return (count + 1, total + x), x


        gt.compile(lambda xs: gt.scan(combine, (gt.zeros(()), gt.zeros(4)), xs))(gt.ones(5, 4))
        """,
    ),
)
