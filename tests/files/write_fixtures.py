"""Writes the files of torch in `fixtures`, with what they hold as JSON: `python -m tests.files.write_fixtures`."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "fixtures"
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def numbers(torch: Any, name: str) -> Any:
    return torch.tensor([[0, 1, -2], [3.5, 100, -7]]).to(getattr(torch, name))


def values(torch: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    base = torch.arange(12.0).reshape(3, 4)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    net(torch.arange(12.0).reshape(4, 3)).square().sum().backward()
    optimizer.step()
    return {
        "dtypes": {name: numbers(torch, name) for name in DTYPES},
        "views": {
            "base": base,
            "t": base.t(),
            "row": base[1],
            "step": base[:, ::2],
            "none": base[:0],
            "one": base[2, 3],
        },
        "checkpoint": {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": 0.25},
        "plain": OrderedDict(a=[1, 2.5, None, True, "é", 2**70], b=(1, (2, b"\xff")), c={1: 2j}, d=torch.Size([2, 3])),
    }


def described(torch: Any, value: Any) -> Any:
    """The value, as JSON has it: tensors as a dtype, sizes, strides and numbers."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return {
            "dtype": kind,
            "shape": list(value.shape),
            "stride": list(value.stride()) if value.numel() else [],
            "values": value.tolist(),
        }
    if isinstance(value, dict):
        return [[repr(k), described(torch, v)] for k, v in value.items()]
    return repr(value) if not isinstance(value, list) else [described(torch, v) for v in value]


def main() -> None:
    import torch

    FOLDER.mkdir(exist_ok=True)
    expected = {}
    for name, value in values(torch).items():
        torch.save(value, FOLDER / f"{name}.zip.pt")
        torch.save(value, FOLDER / f"{name}.legacy.pt", _use_new_zipfile_serialization=False)
        expected[name] = described(torch, value)
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1).replace("\n   ", " ") + "\n")


if __name__ == "__main__":
    main()
