"""Layers, with torch's names; the public package is `graphtorch.nn`."""

from graphtorch.frontend.nn import dropping, heads  # noqa: F401  # functions with files of their own: into the registry
