"""Layers, with torch's names; the public package is `graphtorch.nn`."""
