"""GT820 to GT827: kernels."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT820",
        "IRError",
        "malformed kernel text",
        """The message says at which line and column, and what was expected. The grammar is at the top of
        `graphtorch/codegen/kernel_ir.py`.""",
        """
        from graphtorch.codegen.kernel_text import parse_kernel

        parse_kernel("kernel @f(%y: f32[4] out) { for %i in 4 { store %y[%j], 1.0 } }")
        """,
        """
        from graphtorch.codegen.kernel_text import parse_kernel

        parse_kernel("kernel @f(%y: f32[4] out) { for %i in 4 { store %y[%i], 1.0 } }")
        """,
    ),
    entry(
        "GT821",
        "IRError",
        "a kernel uses a name that is not bound, or a load of another number of lanes",
        """Whoever built the kernel has used a variable or a buffer outside of what binds it, or has put an index of
        other lanes into a load.""",
        """
        from graphtorch.codegen.kernel_ir import Kernel, Param, Store
        from graphtorch.codegen.kernel_text import print_kernel
        from graphtorch.ir.expr import Buffer, Var, const
        from graphtorch.ir.types import float32

        y = Buffer("y", (4,), float32)
        print_kernel(Kernel("f", (Param(y, "out"),), (Store(y, (Var("i"),), const(1.0)),)))
        """,
        """
        from graphtorch.codegen.kernel_ir import Kernel, Param, Store
        from graphtorch.codegen.kernel_text import print_kernel
        from graphtorch.ir.expr import Buffer, const
        from graphtorch.ir.types import float32

        y = Buffer("y", (4,), float32)
        print_kernel(Kernel("f", (Param(y, "out"),), (Store(y, (const(0),), const(1.0)),)))
        """,
    ),
    entry(
        "GT822",
        "IRError",
        "the interpreter cannot run a kernel",
        """There is an array for each parameter, of its dtype and its number of elements; a store has the buffer's dtype
        and number of indices, and does not go to an `in` parameter.""",
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { for %i in 4 { store %y[%i], 1.0 } }")
        run_kernel(kernel, [np.zeros(4)])
        """,
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { for %i in 4 { store %y[%i], 1.0 } }")
        run_kernel(kernel, [np.zeros(4, np.float32)])
        """,
    ),
    entry(
        "GT823",
        "IRError",
        "a kernel accesses an array outside of its bounds",
        """The message shows the statement and the index. A bound of a loop, or a guard (`if` of a load or a store), is
        missing or wrong.""",
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { for %i in 4 { store %y[(%i + 1)], 1.0 } }")
        run_kernel(kernel, [np.zeros(4, np.float32)])
        """,
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { for %i in 3 { store %y[(%i + 1)], 1.0 } }")
        run_kernel(kernel, [np.zeros(4, np.float32)])
        """,
    ),
    entry(
        "GT824",
        "IRError",
        "the result of a kernel depends on the order of its threads",
        """Or threads of a block reach different barriers. A barrier is missing between a store and what reads it, one
        stands where only some threads come by, or two threads store to one element.""",
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: i64[4] out) { par %i in 4 { store %y[0], %i } }")
        run_kernel(kernel, [np.zeros(4, np.int64)])
        """,
        """
        import numpy as np
        from graphtorch.codegen.kernel_text import parse_kernel
        from graphtorch.runtime.interp import run_kernel

        kernel = parse_kernel("kernel @f(%y: i64[4] out) { par %i in 4 { store %y[%i], %i } }")
        run_kernel(kernel, [np.zeros(4, np.int64)])
        """,
    ),
    entry(
        "GT825",
        "IRError",
        "a kernel cannot be launched",
        """Its loops over blocks and threads are not one chain, their extents are not constant, or there are more than
        a GPU takes: 1024 threads in a block, 65535 blocks along y and z.""",
        """
        from graphtorch.codegen.emit_cuda import launch_geometry
        from graphtorch.codegen.kernel_text import parse_kernel

        kernel = parse_kernel("kernel @f(%y: f32[2048] out) { thread.x %i in 2048 { store %y[%i], 1.0 } }")
        launch_geometry(kernel)
        """,
        """
        from graphtorch.codegen.emit_cuda import launch_geometry
        from graphtorch.codegen.kernel_text import parse_kernel

        kernel = parse_kernel("kernel @f(%y: f32[2048] out) { block.x %i in 2048 { store %y[%i], 1.0 } }")
        launch_geometry(kernel)
        """,
    ),
    entry(
        "GT826",
        "IRError",
        "a kernel has no CUDA C form",
        """It was scheduled for the CPU: it uses its threads, vectors, or a function that CUDA lacks. Or two kernels of
        one source have one name.""",
        """
        from graphtorch.codegen.emit_cuda import cuda_source
        from graphtorch.codegen.kernel_text import parse_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { block.x %i in 4 { store %y[%i], 1.0 } }")
        cuda_source([kernel, kernel])
        """,
        """
        from graphtorch.codegen.emit_cuda import cuda_source
        from graphtorch.codegen.kernel_text import parse_kernel

        kernel = parse_kernel("kernel @f(%y: f32[4] out) { block.x %i in 4 { store %y[%i], 1.0 } }")
        cuda_source([kernel])
        """,
    ),
    entry(
        "GT827",
        "IRError",
        "nvcc rejected generated CUDA C",
        """The message has nvcc's words, line by line. Either graphtorch is wrong, or nvcc does not know the
        architecture.""",
        unshown="""only an nvcc can say so, which need not be there; its words differ between versions""",
    ),
)
