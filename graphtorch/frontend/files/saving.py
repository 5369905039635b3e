"""`save`: values into files, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any

from graphtorch.frontend.files import native
from graphtorch.frontend.files.atomic import replacing
from graphtorch.frontend.files.blocks import Block
from graphtorch.frontend.files.encode import no_data
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentTypeError, SaveError


def save(obj: Any, f: Any) -> None:
    """Save ``obj`` into ``f``, a path or a file that is open for writing bytes; `load` has it back.

    It may be a tensor, a parameter, a module, numbers, texts, bytes, dtypes, sizes, devices, arrays of numpy, and
    dicts, lists, tuples and sets of them, so a checkpoint of ``state_dict()``s. The file is one of safetensors, with
    the structure as JSON beside the tensors: no pickle, nothing in it is code. Tensors that share memory share it in
    the file; strides are kept. Of a module its class is written by name, and all that it holds; `load` runs no
    ``__init__``.

    A file of the same name is replaced when the new one is whole and on the disk. A path that ends in ".safetensors"
    takes a flat dict of tensors, as other programs read it; tensors of shared memory are written for each name.

    Raises SaveError GT907 for what cannot be saved (a lambda, a hook, an object of another class), and names it; then
    no file was touched. ArgumentTypeError GT301 for ``f`` that is neither a path nor a file.
    """
    if isinstance(f, str | os.PathLike):
        with replacing(f) as file:
            _write(file, obj, os.fspath(f).endswith(".safetensors"))
    elif hasattr(f, "write"):
        _write(f, obj, False)
    else:
        raise ArgumentTypeError("GT301", f"f must be a path or a file to write, got {type(f).__name__}")


def _write(file: IO[bytes], obj: Any, plain: bool) -> None:
    if plain:
        native.write_blocks(file, _flat(obj), {})
    else:
        native.write(file, obj)


def _flat(obj: Any) -> list[Block]:
    """The tensors of a dict, for a file without structure."""
    if not isinstance(obj, Mapping):
        raise SaveError(
            "GT907", f"a .safetensors file holds a dict of tensors, got {type(obj).__name__}", [_OTHER_NAME]
        )
    for name, t in obj.items():
        if not isinstance(name, str) or not isinstance(t, Tensor):
            raise no_data(t, str(name)) if isinstance(name, str) else no_data(name, "a key")
    found = [Block(name, t.dtype, t.detach()._array) for name, t in obj.items()]
    return sorted(found, key=lambda block: -block.dtype.itemsize)


_OTHER_NAME = "under another name, such as .pt, gt.save writes structure as well"
