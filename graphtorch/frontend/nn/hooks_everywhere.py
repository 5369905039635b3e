"""Hooks of all modules: as those of one, before which they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphtorch.frontend.nn.hooks import EVERYWHERE, Hook, add
from graphtorch.frontend.tensors.gradients import RemovableHandle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`Module.register_forward_pre_hook` of every module."""
    return add(EVERYWHERE, Hook("forward_pre", hook))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """`Module.register_forward_hook` of every module."""
    return add(EVERYWHERE, Hook("forward", hook, with_kwargs, always_call))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`Module.register_full_backward_hook` of every module."""
    return add(EVERYWHERE, Hook("backward", hook))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """`Module.register_full_backward_pre_hook` of every module."""
    return add(EVERYWHERE, Hook("backward_pre", hook))
