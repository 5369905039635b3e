"""GT801 to GT809: graphs as text, and what `verify` finds in them."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT801",
        "IRError",
        "a mistake in the syntax of a graph or of a pipeline",
        """The caret shows where, and the message what was expected. The grammar is at the top of
        `graphtorch/ir/text.py`.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(x)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT802",
        "IRError",
        "there is no op of this name",
        """Ops of IR are those of the registry, `graphtorch.ir.op.OPS`; what users call may be made of several.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = rely(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT803",
        "IRError",
        "a value is used and not defined before",
        """An operand, an output or an update is a parameter of the graph, or the result of a line above. A body sees
        its own parameters alone.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%1)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT804",
        "IRError",
        "something is defined twice",
        """Each value is defined once, a parameter's name and an attribute are given once.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          %0: f32[2] = neg(%0)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          %1: f32[2] = neg(%0)
          return %1
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT805",
        "IRError",
        "declared types are not those that the op gives",
        """A pass has put a node where its operands are of another type, or a file was edited in one place alone.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[3] = relu(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = relu(%x)
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT806",
        "IRError",
        "an op rejects its operands or attributes",
        """`infer` of the op has refused them, and the message says with what words.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2], %y: i64[2]) -> (f32[2]) {
          %0: f32[2] = add(%x, %y)
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2], %y: f32[2]) -> (f32[2]) {
          %0: f32[2] = add(%x, %y)
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT807",
        "IRError",
        "an update of something that is not `inout`, or with another type",
        """State is an `inout` parameter, and an update has its type.""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%w: f32[2], %x: f32[2]) -> () {
          update %w <- %x
          return
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%w: f32[2] inout, %x: f32[2]) -> () {
          update %w <- %x
          return
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT808",
        "IRError",
        "the body of a node does not fit its operands",
        """The parameters of the body of a fusion, a loop or a branch have the types of the node's operands (of a slice,
        where `scan` cuts them).""",
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = fusion(%x) {kind="loop"} graph @body(%a: f32[3]) -> (f32[3]) {
            return %a
          }
          return %0
        }""",
            "g.gt",
        )
        ''',
        '''
        from graphtorch.ir.text import parse_graph

        parse_graph(
            """graph @g(%x: f32[2]) -> (f32[2]) {
          %0: f32[2] = fusion(%x) {kind="loop"} graph @body(%a: f32[2]) -> (f32[2]) {
            return %a
          }
          return %0
        }""",
            "g.gt",
        )
        ''',
    ),
    entry(
        "GT809",
        "IRError",
        "an attribute has no text form",
        """Attributes are numbers, bools, strings, dtypes, None, and tuples of such.""",
        """
        import graphtorch as gt

        graph = gt.trace(lambda x: x.sum(0), gt.ones(2, 3))
        graph.nodes[-1].attrs["dims"] = [0]
        str(graph)
        """,
        """
        import graphtorch as gt

        graph = gt.trace(lambda x: x.sum(0), gt.ones(2, 3))
        graph.nodes[-1].attrs["dims"] = (0,)
        str(graph)
        """,
    ),
)
