"""A counter of changes to Python state that compiled programs have looked at.

Whatever changes a module's attribute, replaces a parameter or its data, or switches requires_grad
bumps it. A compiled call compares one number, and re-examines its guards only when it moved.
"""

from __future__ import annotations

_current = 0


def bump() -> None:
    global _current
    _current += 1


def now() -> int:
    return _current
