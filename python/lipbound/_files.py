"""Objects as files for the program, which reads nothing else."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any


def is_array(value: Any) -> bool:
    """Whether a value is an array: of numpy, of PyTorch, or of anything that numpy takes."""
    return hasattr(value, "__array__") or hasattr(value, "detach")


def array(name: str, value: Any) -> Any:
    """A value as a numpy array of the same numbers. Types that numpy has not are widened, which is exact."""
    import numpy

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        try:
            value = value.numpy()
        except TypeError:
            value = value.float().numpy()  # bfloat16 and smaller
    try:
        found = numpy.asarray(value)
    except ValueError as error:  # lists that are not rectangular
        raise TypeError(f"{name}: {error}") from None
    if found.dtype.kind == "V" and found.dtype.type is not numpy.void:
        found = found.astype(numpy.float64)  # the bfloat16 of the package ml_dtypes and its relatives
    if found.dtype.hasobject:
        raise TypeError(f"{name}: found a {type(value).__name__}, expected an array of numbers")
    return found


class Files:
    """Files for one run of the program, in a folder that is made when the first one is and goes with the last."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def tensors(self, name: str, tensors: Mapping[str, Any]) -> str:
        """A file with the arrays in their order. (numpy.savez does not take every name.)"""
        import numpy

        path = self._path(name)
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in tensors.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                    numpy.lib.format.write_array(file, array(f"tensor {key}", value), allow_pickle=False)
        return path

    def table(self, name: str, value: Any) -> str:
        """A file with one array."""
        import numpy

        path = self._path(f"{name}.npy")
        with open(path, "wb") as file:
            numpy.lib.format.write_array(file, array(name, value), allow_pickle=False)
        return path

    def document(self, name: str, value: Mapping[str, Any]) -> str:
        """A file with JSON."""
        path = self._path(f"{name}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(value, file)
        return path

    def without_folder(self, text: str, in_json: bool = False) -> str:
        """A text of the program in which these files go by their names alone."""
        if self._folder is None:
            return text
        folder = os.path.join(self._folder.name, "")
        return text.replace(json.dumps(folder, ensure_ascii=False)[1:-1] if in_json else folder, "")

    def _path(self, name: str) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lipbound-")
        return os.path.join(self._folder.name, name)
