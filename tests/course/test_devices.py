"""Lines at the head of most programs: the device, seeds, and moving to the device."""

from __future__ import annotations

from typing import Any

import pytest

import graphtorch
from tests.course.oracle import as_torch, filled, numbers


def no_gpu(torch: Any) -> bool:
    return torch is graphtorch or not torch.cuda.is_available()


@as_torch
def test_the_device(torch: Any) -> Any:
    if not no_gpu(torch):
        pytest.skip("torch has a GPU here, and graphtorch none")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    torch.cuda.manual_seed_all(0)
    torch.cuda.manual_seed(0)
    torch.cuda.empty_cache()
    net = filled(torch, torch.nn.Linear(4, 3)).to(device)
    x = torch.from_numpy(numbers(2, 4)).to(device=device)
    moved = x.to(device, non_blocking=True)
    return [
        repr(device),
        str(device),
        device,
        torch.cuda.device_count(),
        net(x),
        moved is x,
        x.cpu() is x,
        x.device == device,
        next(net.parameters()).device,
        torch.zeros(2, device=device),
        torch.ones(2, device="cpu").is_cuda,
        net.cpu()(x),
        repr(torch.device("cuda", 1)),
        torch.device("cuda:1").index,
    ]


@as_torch
def test_what_is_not_there_is_refused(torch: Any) -> Any:
    if not no_gpu(torch):
        pytest.skip("torch has a GPU here")
    for call in (
        lambda: torch.ones(2, device="cuda"),
        lambda: torch.ones(2).cuda(),
        lambda: torch.ones(2).to("cuda"),
        lambda: torch.nn.Linear(2, 2).cuda(),
    ):
        with pytest.raises((RuntimeError, AssertionError)):  # torch without CUDA asserts
            call()
