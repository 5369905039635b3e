"""CUDA C that moves elements between any two orders in memory: eager mode lays tensors out; no graph asks for it."""

from __future__ import annotations

#: threads of a block of these kernels
THREADS = 256
#: what the kernel for elements of so many bytes is called
NAMES = {size: f"gt_copy_{size}" for size in (1, 2, 4, 8)}

_KERNEL = """\
// where[0] dimensions; where[1] elements; then the sizes, the strides of `to` and those of `from`, in elements
extern "C" __global__ void __launch_bounds__({threads}) {name}({type}* to, const {type}* from, const i64* where) {{
  const int dims = (int)where[0];
  const i64* sizes = where + 2;
  for (i64 at = (i64)blockIdx.x * {threads} + threadIdx.x; at < where[1]; at += (i64)gridDim.x * {threads}) {{
    i64 rest = at, put = 0, take = 0;
    for (int d = dims - 1; d >= 0; --d) {{
      const i64 index = rest % sizes[d];
      rest /= sizes[d];
      put += index * sizes[dims + d];
      take += index * sizes[2 * dims + d];
    }}
    to[put] = from[take];
  }}
}}
"""


def copy_source() -> str:
    """One translation unit with the kernels of `NAMES`."""
    types = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int", 8: "unsigned long long"}
    kernels = [_KERNEL.format(threads=THREADS, name=NAMES[size], type=types[size]) for size in NAMES]
    return "\n".join(["typedef long long i64;\n", *kernels])
