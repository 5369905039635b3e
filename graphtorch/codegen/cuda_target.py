"""What CUDA kernels may use: tensor cores, and for which products of float32 they may round to TF32.

The defaults are torch's: convolutions may, matrix products may not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class CudaTarget:
    """``tensor_cores``: products of 16-bit floats use them. ``tf32_matmul`` and ``tf32_conv``: those of float32, too,
    with 10 bits of fraction for each factor. ``shared_bytes``: the shared memory that a block may have, of the device
    that has least of it among those in use; an H100's before there is one."""

    tensor_cores: bool = True
    tf32_matmul: bool = False
    tf32_conv: bool = True
    shared_bytes: int = 227 * 1024


_current = CudaTarget()


def cuda_target() -> CudaTarget:
    """The target of what is scheduled next; part of the key under which compiled programs are kept."""
    return _current


def set_cuda_target(target: CudaTarget) -> None:
    global _current
    _current = target


def limit_shared(nbytes: int) -> None:
    """A device that is used from now on gives a block so much shared memory."""
    set_cuda_target(replace(_current, shared_bytes=min(_current.shared_bytes, nbytes)))
