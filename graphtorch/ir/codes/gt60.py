"""GT601 to GT609: what a trace cannot follow."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT601",
        "TraceError",
        "Python needs the numbers of a tensor while tracing",
        """Only shape and dtype are known there. `if`, `float()`, `item()` and `f"{x:.3f}"` need numbers, `x[mask]` and
        `nonzero` have shapes that depend on them, and a view may have strides that do: write it with ops (`gt.where`,
        `gt.cond`), or do it outside. `print(x)` shows the type, once.""",
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            if x.sum() > 0:
                return x
            return -x


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            return gt.where(x.sum() > 0, x, -x)


        f(gt.ones(3))
        """,
    ),
    entry(
        "GT602",
        "TraceError",
        "an operation that changes tensors or gradients cannot be traced",
        """`.data = ...`, `t_()` and `retain_grad()`; a hook that stays, or whose gradient is computed after the call;
        the backward of a `Function` that is not made of ops. Write it another way, or call it outside.""",
        """
        import graphtorch as gt

        average = gt.zeros(3)


        @gt.compile
        def f(x):
            average.data = 0.9 * average + 0.1 * x
            return average * 1


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt

        average = gt.zeros(3)


        @gt.compile
        def f(x):
            average.copy_(0.9 * average + 0.1 * x)
            return average * 1


        f(gt.ones(3))
        """,
    ),
    entry(
        "GT603",
        "TraceError",
        "a tensor of an earlier trace was kept and is used again",
        """While a function is traced its tensors hold no numbers; the program gives those to what the function returns.
        Return the tensor, and keep that one.""",
        """
        from queue import SimpleQueue

        import graphtorch as gt

        results = SimpleQueue()


        @gt.compile
        def double(x):
            results.put(x * 2)


        double(gt.ones(3))
        gt.compile(lambda x: x + results.get())(gt.ones(3))
        """,
        """
        from queue import SimpleQueue

        import graphtorch as gt

        results = SimpleQueue()


        @gt.compile
        def double(x):
            return x * 2


        results.put(double(gt.ones(3)))
        gt.compile(lambda x, y: x + y)(gt.ones(3), results.get())
        """,
    ),
    entry(
        "GT604",
        "TraceError",
        "a write whose reach is not known",
        """It goes into a view that was made outside, or follows a `reshape` that may have copied, or an `as_strided` of
        unknown memory. Take the view inside of the function, or write the tensor that it views.""",
        """
        import graphtorch as gt

        table = gt.zeros(3, 4)
        row = table[0]


        @gt.compile
        def f(x):
            row.add_(x)
            return x


        f(gt.ones(4))
        """,
        """
        import graphtorch as gt

        table = gt.zeros(3, 4)


        @gt.compile
        def f(x):
            table[0].add_(x)
            return x


        f(gt.ones(4))
        """,
    ),
    entry(
        "GT605",
        "TraceError",
        "the function changes Python state that a program could not change again",
        """State that it also reads, an argument (a list, a dict, an attribute of a tensor), the grad mode, or an
        iterator from outside that it reads on; and what belongs around the function: the step of a schedule, a pass of
        a DataLoader, a log for TensorBoard. Keep it in a tensor, such as a buffer of a module, or change it outside of
        the function.""",
        """
        import graphtorch as gt

        calls = 0


        @gt.compile
        def f(x):
            global calls
            calls += 1
            return x * calls


        f(gt.ones(3))
        """,
        """
        import graphtorch as gt

        calls = gt.zeros(())


        @gt.compile
        def f(x):
            calls.add_(1)
            return x * calls


        f(gt.ones(3))
        """,
    ),
    entry(
        "GT607",
        "TraceError",
        "tensors share memory, and the program writes one of them in place",
        """A program counts on memory of its own for each of them. `clone()` one of them before the call.""",
        """
        import graphtorch as gt

        total = gt.zeros(3)


        @gt.compile
        def accumulate(x):
            return total.add_(x) * 1


        accumulate(total)
        """,
        """
        import graphtorch as gt

        total = gt.zeros(3)


        @gt.compile
        def accumulate(x):
            return total.add_(x) * 1


        accumulate(total.clone())
        """,
    ),
    entry(
        "GT608",
        "TraceError",
        "Python state changes from call to call, so that every call would compile a program",
        """Numbers that a function reads from outside are constants of its program. Pass one that changes as a tensor,
        or keep it in a tensor and write that.""",
        """
        import graphtorch as gt


        @gt.compile
        def f(x):
            return x * rate


        for rate in range(20):
            f(gt.ones(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def f(x, rate):
            return x * rate


        for rate in range(20):
            f(gt.ones(3), gt.tensor(rate))
        """,
    ),
    entry(
        "GT609",
        "TraceError",
        "the function draws random numbers from Python or numpy",
        """The program would repeat the number at every call. `gt.rand`, `gt.randn` and `gt.randint` draw anew; or draw
        outside, and pass the number as a tensor.""",
        """
        import random

        import graphtorch as gt


        @gt.compile
        def noisy(x):
            return x + random.random()


        noisy(gt.ones(3))
        """,
        """
        import graphtorch as gt


        @gt.compile
        def noisy(x):
            return x + gt.rand(())


        noisy(gt.ones(3))
        """,
    ),
)
