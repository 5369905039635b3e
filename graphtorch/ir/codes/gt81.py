"""GT810 to GT813: pipelines, evaluation, and passes of users."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT810",
        "IRError",
        "there is no pass of this name",
        """The message lists those that there are.""",
        """
        import graphtorch as gt
        from graphtorch.ir.pipeline import run_pipeline

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        run_pipeline(graph, "cse,dse")
        """,
        """
        import graphtorch as gt
        from graphtorch.ir.pipeline import run_pipeline

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        run_pipeline(graph, "cse,dce")
        """,
    ),
    entry(
        "GT811",
        "IRError",
        "a pass has no such option, or it is of another type",
        """Options are the fields of the pass, and have the types of their defaults.""",
        """
        import graphtorch as gt
        from graphtorch.ir.pipeline import run_pipeline

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        run_pipeline(graph, "fuse{max_ops=true}")
        """,
        """
        import graphtorch as gt
        from graphtorch.ir.pipeline import run_pipeline

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        run_pipeline(graph, "fuse{max_ops=8}")
        """,
    ),
    entry(
        "GT812",
        "IRError",
        "a graph cannot be evaluated or turned into code as it is",
        """Arrays are missing or of another type, or a pass that must run before has not: gradients need `autodiff`,
        and a graph is fused once, for one target.""",
        """
        import graphtorch as gt
        import numpy as np
        from graphtorch.ir.evaluate import evaluate

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        evaluate(graph, [np.ones(2)])
        """,
        """
        import graphtorch as gt
        import numpy as np
        from graphtorch.ir.evaluate import evaluate

        graph = gt.trace(lambda x: x + 1, gt.ones(2))
        evaluate(graph, [np.ones(2, np.float32)])
        """,
    ),
    entry(
        "GT813",
        "IRError",
        "a pass of your own changed what a graph takes or gives",
        """A pass keeps the parameters, the types of the outputs, and which state is updated: a compiled function is
        called with the one and hands out the others. `rewrite` copies all of these.""",
        """
        import graphtorch as gt
        from graphtorch.ir.graph import Graph


        class Lost:
            name = "lost"

            def run(self, graph: Graph) -> Graph:
                return Graph(graph.name, graph.params, graph.nodes)


        step = gt.compile(lambda x: x + 1, passes=[Lost()])
        step(gt.ones(2))
        """,
        """
        import graphtorch as gt
        from graphtorch.ir.graph import Graph


        class Kept:
            name = "kept"

            def run(self, graph: Graph) -> Graph:
                return Graph(graph.name, graph.params, graph.nodes, graph.outputs, graph.updates)


        step = gt.compile(lambda x: x + 1, passes=[Kept()])
        step(gt.ones(2))
        """,
    ),
)
