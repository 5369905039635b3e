"""One pass per file, named as the pass."""
