"""Optimizers, with torch's names; the public package is `graphtorch.optim`."""
