"""Small files of every format: what fuzzing begins with. `fixtures` has those that torch wrote."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np

import graphtorch as gt
from graphtorch import nn

HERE = Path(__file__).parent
FIXTURES = sorted((HERE / "fixtures").glob("*.pt"))
CORPUS = sorted((HERE / "corpus").glob("*"))


def native() -> bytes:
    """A file of ours, with every kind of value."""
    t = gt.arange(6.0).reshape(2, 3)
    net = nn.Sequential(nn.Linear(2, 1), nn.ReLU())
    value = {
        "t": t, "column": t[:, 1], "p": nn.Parameter(gt.ones(1)), "turned": gt.ones(2, 3).t(), "net": net, "again": net[0],
        "n": np.arange(2), 3: (1, {2}, b"x", 1j, gt.int8, gt.Size([1]), float("nan"), slice(1), gt.device("cpu")),
    }  # fmt: skip
    return saved(value)


def saved(value: object) -> bytes:
    file = io.BytesIO()
    gt.save(value, file)
    return file.getvalue()


def legacy(value: object = None, protocol: int = 2) -> bytes:
    """A file of torch's older format without tensors, or one pickle put in its place."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, value, []]
    return b"".join(pickle.dumps(part, protocol) for part in parts)


def seeds() -> dict[str, bytes]:
    """By name: fixtures of torch, ours, plain safetensors, a pickle of plain data."""
    found = {path.name: path.read_bytes() for path in FIXTURES}
    plain = {"a": [1, 2.5, "é", None, True, b"x", (1, 2, 3), 2**70], 3: {"b": set(), "c": bytearray(b"y")}}
    return found | {
        "native": native(),
        "legacy plain": legacy(plain),
        "legacy 4": legacy(plain, 4),
        "text": legacy(plain, 0),
    }
