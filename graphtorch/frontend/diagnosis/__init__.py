"""Diagnosis: find what is wrong with a model, its loss and its training step before anything runs.

`gt.check` (check.py) observes one abstract run (abstract.py), and asks what it saw against contracts: of losses
(losses.py), of training (training.py) and of numbers (numeric.py). What they find are problems (problem.py).
"""
