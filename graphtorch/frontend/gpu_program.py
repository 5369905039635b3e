"""What a traced function needs of the tensors that it captures, so that its program can run on a GPU."""

from __future__ import annotations

from graphtorch.frontend.placement import moved
from graphtorch.frontend.random import default_generator
from graphtorch.frontend.trace import Traced
from graphtorch.frontend.traced_state import Binding
from graphtorch.ir.device import device
from graphtorch.ir.errors import DeviceError
from graphtorch.ir.sized import is_dynamic_graph


def gpu_of(traced: Traced) -> int | None:
    """The number of the GPU that the program is for; None for the CPU.

    What the trace made of Python data is moved there now. DeviceError GT404 for a captured tensor that is on the CPU,
    but for single numbers; arguments may be there, and every call copies them.
    """
    place = traced.tracer.device
    if place is None or place.type == "cpu":
        return None
    if is_dynamic_graph(traced.graph):
        raise DeviceError(
            "GT407",
            "named sizes (dynamic=) are for programs on the CPU",
            ["the arguments are on the CPU, and what the function captures on a GPU"],
            f'move the arguments before the call: x.to("{place}")',
        )
    for binding in traced.tracer.captures:
        if binding.tensor is not None and binding.tensor.is_cpu:
            _settle(traced, binding, place)
    return place.index


def _settle(traced: Traced, binding: Binding, place: device) -> None:
    t = binding.tensor
    assert t is not None  # the caller has looked
    if id(t) in traced.tracer.constants:
        here = moved(t.detach(), place)
        binding.tensor, binding.fetch = here, lambda _: here
        return
    if not t.ndim or t is default_generator.state or t is default_generator._step:
        return
    other = next((b.tensor for b in traced.bindings if b.tensor is not None and b.tensor.is_cuda), None)
    name = binding.param.label or "a captured tensor"
    raise DeviceError(
        "GT404",
        f"the tensors of {traced.graph.name} are on different devices",
        [f"{name} {t.aval} on cpu", f"{other.aval if other is not None else 'the program'} on {place}"],
        f'move it before the call: .to("{place}")',
    )
