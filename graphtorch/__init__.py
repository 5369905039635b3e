"""graphtorch: a deep-learning framework that compiles.

``import graphtorch as gt`` gives torch's names. Ops come out of the registry of `graphtorch.ir.op`;
what needs llvmlite or networkx is imported when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from math import e, inf, nan, pi
from typing import Any

from graphtorch.frontend import creating as _creating  # noqa: F401  # fills the registry
from graphtorch.frontend import distributions as _distributions  # noqa: F401  # fills the registry
from graphtorch.frontend import facts as _facts  # noqa: F401  # fills the registry
from graphtorch.frontend import integers as _integers  # noqa: F401  # fills the registry
from graphtorch.frontend.autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from graphtorch.frontend.construction import from_dlpack, from_numpy, tensor
from graphtorch.frontend.creating import broadcast_shapes
from graphtorch.frontend.defaults import (
    get_default_device,
    get_default_dtype,
    set_default_device,
    set_default_dtype,
    set_default_tensor_type,
)
from graphtorch.frontend.eager import EAGER as _EAGER
from graphtorch.frontend.random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    rand,
    randint,
    randn,
    randperm,
    seed,
    set_rng_state,
)
from graphtorch.frontend.tensor import Size, Tensor, install_methods
from graphtorch.ir import bind as _bind
from graphtorch.ir import ops as _ops  # noqa: F401  # fills the registry
from graphtorch.ir.device import device
from graphtorch.ir.formats import contiguous_format, memory_format, preserve_format
from graphtorch.ir.op import PUBLIC as _PUBLIC
from graphtorch.ir.types import (
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

__version__ = "0.1.0"

dtype = DType
float, double, half, long, int, short = float32, float64, float16, int64, int32, int16
bool = bool_
newaxis = None

_bind.set_default(lambda: _EAGER)
install_methods()

#: names that are looked up in a module only when they are used
_LAZY = {
    "autocast": "graphtorch.frontend.autocast",
    "get_autocast_dtype": "graphtorch.frontend.autocast",
    "is_autocast_enabled": "graphtorch.frontend.autocast",
    "check": "graphtorch.frontend.diagnosis.check",
    "compile": "graphtorch.frontend.compile",
    "cond": "graphtorch.frontend.branches",
    "scan": "graphtorch.frontend.control_flow",
    "summary": "graphtorch.frontend.diagnosis.summary",
    "while_loop": "graphtorch.frontend.branches",
    "finfo": "graphtorch.frontend.limits",
    "load": "graphtorch.frontend.files.loading",
    "save": "graphtorch.frontend.files.saving",
    "iinfo": "graphtorch.frontend.limits",
    "inference_mode": "graphtorch.frontend.differentiate",
    "trace": "graphtorch.frontend.trace",
    "TensorSpec": "graphtorch.frontend.spec",
    "set_printoptions": "graphtorch.frontend.printing",
    "set_float32_matmul_precision": "graphtorch.backends",
    "get_float32_matmul_precision": "graphtorch.backends",
    "set_num_threads": "graphtorch.runtime.threads",
    "get_num_threads": "graphtorch.runtime.threads",
}
_LAZY |= {f"{kind}Tensor": "graphtorch.frontend.legacy" for kind in (
    "BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"
)}  # fmt: skip
_PACKAGES = (
    "amp", "autograd", "backends", "cuda", "hub", "linalg", "nn", "optim", "random", "utils", "testing", "errors",
    "vision",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PUBLIC["gt"]:
        value: Any = _PUBLIC["gt"][name]
    elif name in _LAZY:
        value = getattr(_imported(_LAZY[name]), name)
    elif name in _PACKAGES:
        value = _imported(f"graphtorch.{name}")
    else:
        raise AttributeError(f"module 'graphtorch' has no attribute {name!r}")
    globals()[name] = value
    return value


def _imported(name: str) -> Any:
    """A module of the package. What finds modules may be code from outside, which is no part of a trace."""
    watch = sys.modules.get("graphtorch.frontend.watch")  # there before the first trace
    with watch.paused() if watch else nullcontext():
        return importlib.import_module(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC["gt"], *_LAZY, *_PACKAGES})


__all__ = [
    "DType",
    "Generator",
    "Size",
    "Tensor",
    "bfloat16",
    "bool",
    "bool_",
    "broadcast_shapes",
    "contiguous_format",
    "default_generator",
    "device",
    "double",
    "dtype",
    "e",
    "enable_grad",
    "float",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "get_default_device",
    "get_default_dtype",
    "get_rng_state",
    "half",
    "inf",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "long",
    "manual_seed",
    "memory_format",
    "nan",
    "newaxis",
    "no_grad",
    "pi",
    "preserve_format",
    "rand",
    "randint",
    "randn",
    "randperm",
    "seed",
    "set_default_device",
    "set_default_dtype",
    "set_default_tensor_type",
    "set_grad_enabled",
    "set_rng_state",
    "short",
    "tensor",
    "uint8",
]  # fmt: skip
