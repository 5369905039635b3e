"""GT401 to GT403: devices."""

from __future__ import annotations

from graphtorch.ir.codes.record import entry

CODES = (
    entry(
        "GT401",
        "ArgumentError",
        "there is no device of this name",
        """Devices are "cpu", "cuda" and "cuda:0", "cuda:1" and so on.""",
        """
        import graphtorch as gt

        gt.device("gpu")
        """,
        """
        import graphtorch as gt

        gt.device("cuda")
        """,
    ),
    entry(
        "GT402",
        "DeviceError",
        "the device cannot hold tensors",
        """In this release the CPU alone can. Leave out `device`, or take "cpu".""",
        """
        import graphtorch as gt

        gt.zeros(3, device="cuda")
        """,
        """
        import graphtorch as gt

        gt.zeros(3, device="cpu")
        """,
    ),
    entry(
        "GT403",
        "DeviceError",
        "the CUDA compiler nvcc was not found",
        """Install the CUDA toolkit, and put its `bin` on PATH or its folder into CUDA_HOME. CUDA C is made without it;
        only machine code needs it.""",
        """
        import os

        from graphtorch.codegen.nvcc import compile_cubin

        os.environ["PATH"] = os.environ["CUDA_HOME"] = "/nowhere"
        compile_cubin("__global__ void f() {}")
        """,
        """
        from graphtorch.codegen.nvcc import compile_cubin, find_nvcc

        if find_nvcc() is not None:
            compile_cubin("__global__ void f() {}")
        """,
    ),
)
