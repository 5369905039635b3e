"""Initialisation of parameters in place, under torch's names: ``from graphtorch.nn import init``."""

from graphtorch.frontend.nn.init import (
    calculate_gain,
    constant_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from graphtorch.frontend.nn.init import fans as _calculate_fan_in_and_fan_out  # noqa: F401  # layers of users' own ask
from graphtorch.frontend.nn.init_shaped import dirac_, eye_, orthogonal_, sparse_, trunc_normal_

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip
