"""GT401 to GT409: devices."""

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
        """A GPU can where pycuda is installed, the driver starts, and there is a device of that number: the message
        says what is missing, and so does `gt.cuda.why_unavailable()`. Choose by `gt.cuda.is_available()`.""",
        unshown="what is missing is another thing on each machine",
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
    entry(
        "GT404",
        "DeviceError",
        "tensors of one op are on different devices",
        """The message names each with its device. Move one of them, or make it where the other is: `device=x.device`. A
        tensor of no dimensions may stay on the CPU, and so may arguments of compiled functions, which are copied.""",
        unshown="it takes a GPU",
    ),
    entry(
        "GT405",
        "OutOfMemoryError",
        "a GPU has no memory left",
        """The message says how much is wanted, and how much tensors hold. Make batches smaller, forget tensors that are
        not needed (a list of losses has their history: append `loss.item()`), or compile the step: its memory is
        planned.""",
        unshown="it takes a GPU",
    ),
    entry(
        "GT406",
        "DeviceError",
        "a call of the CUDA driver failed",
        """The message has the driver's words. What a GPU does is waited for later, so the error may be of an earlier
        kernel: `CUDA_LAUNCH_BLOCKING=1` waits for each. After an error of a kernel the process has to start again.""",
        unshown="it takes a GPU",
    ),
    entry(
        "GT407",
        "DeviceError DeviceWarning",
        "an op has no kernel for a GPU",
        """Sorting has none, nor have loops as one node (`gt.scan`, `gt.cond`, `gt.while_loop`). Eager mode computes it
        on the CPU, copies its tensors there and back, and warns once; in a compiled function it is an error: call it
        outside.""",
        unshown="it takes a GPU",
    ),
    entry(
        "GT408",
        "DeviceError",
        "numpy cannot read a tensor on a GPU",
        """Copy it first: `x.cpu().numpy()`; `x.detach().cpu().numpy()` where it requires gradients. `item()`,
        `tolist()` and printing copy by themselves.""",
        unshown="it takes a GPU",
    ),
    entry(
        "GT409",
        "DeviceError",
        "a compiled function uses two devices",
        """A program runs on the device of its arguments and of what it captures. Results that are wanted elsewhere are
        returned, and moved by the caller.""",
        unshown="it takes a GPU",
    ),
)
