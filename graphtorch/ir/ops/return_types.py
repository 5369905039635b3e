"""Named tuples of results, as torch's functions of several results give them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def return_type(name: str, *fields: str) -> Any:
    """The class ``graphtorch.return_types.name``: a tuple whose items have names, printed line by line."""
    base = namedtuple(name, fields)  # type: ignore[misc]  # the fields are the caller's

    def text(self: Any) -> str:
        items = (f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
        return f"graphtorch.return_types.{name}(\n" + ",\n".join(items) + ")"

    return type(name, (base,), {"__repr__": text, "__slots__": (), "__module__": __name__})


values_and_indices = ("values", "indices")
max_type, min_type = return_type("max", *values_and_indices), return_type("min", *values_and_indices)
median_type = return_type("median", *values_and_indices)
nanmedian_type = return_type("nanmedian", *values_and_indices)
sort_type, topk_type = return_type("sort", *values_and_indices), return_type("topk", *values_and_indices)
kthvalue_type = return_type("kthvalue", *values_and_indices)
mode_type = return_type("mode", *values_and_indices)
frexp_type = return_type("frexp", "mantissa", "exponent")
cummax_type, cummin_type = return_type("cummax", *values_and_indices), return_type("cummin", *values_and_indices)
aminmax_type = return_type("aminmax", "min", "max")
