"""Keywords as options of the program. There is no list of them: the program knows which it has."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from typing import Any

from ._files import Files, array, is_array


def flags(options: Mapping[str, Any], files: Files) -> list[str]:
    """`time_limit=5` as `--time-limit=5`, `timings=True` as `--timings`; None and False are left out."""
    found = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            found.append(flag)
        elif value is not None and value is not False:
            found.append(f"{flag}={text(name, value, files)}")
    return found


def text(name: str, value: Any, files: Files) -> str:
    """A value as the program takes it: a number exactly, a list with commas, or the path of a file."""
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        return repr(float(value))
    if isinstance(value, Mapping):
        return files.document(name, value)
    if is_array(value):
        found = array(name, value)
        if found.ndim == 0:
            return text(name, found.item(), files)
        value = found if found.ndim > 1 else found.tolist()
    elif not isinstance(value, (list, tuple, range)):
        raise TypeError(f"{name}: found a {type(value).__name__}, which is no option of the program")
    if name == "center":
        return files.table(name, array(name, value).ravel())  # a point, whatever its shape
    if is_array(value) or any(is_array(entry) or isinstance(entry, (list, tuple)) for entry in value):
        return files.table(name, value)
    return ",".join(text(name, entry, files) for entry in value)
