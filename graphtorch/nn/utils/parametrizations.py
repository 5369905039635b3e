"""Parametrizations under torch's names: ``from graphtorch.nn.utils.parametrizations import weight_norm``."""

from graphtorch.frontend.nn.orthogonal import orthogonal
from graphtorch.frontend.nn.spectral_norm import parametrized as spectral_norm
from graphtorch.frontend.nn.weight_norm import parametrized as weight_norm

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
