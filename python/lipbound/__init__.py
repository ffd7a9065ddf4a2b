"""Certified Lipschitz bounds of neural networks.

The module runs the program `lipbound`, which is installed with it, and returns its report:

    report = lipbound.compute(model.state_dict(), norm="l2", activation="relu")
    lipbound.best(report)
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._files import Files
from ._options import flags, text
from ._program import Error, program, run

__all__ = ["Error", "best", "compute", "program"]

Error.__module__ = __name__  # the name under which it is to be caught


def compute(
    model: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any],
    norm: str = "linf",
    **options: Any,
) -> dict[str, Any]:
    """The bounds of the Lipschitz constant of a model, as the JSON report of `lipbound compute`.

    model: a file of any format that the program reads; or arrays by name, as in PyTorch's `model.state_dict()`, in
        the order of the layers (which must be the only one in which they fit together and numbers in their names
        ascend); or a sequence of arrays, in which a matrix begins a layer and a
        vector is its bias. An array is anything that numpy takes, or a PyTorch tensor on any device. All
        numbers are taken exactly as they are stored, 16-bit ones too.
    norm: "l1", "l2", "linf", or "all" for a report of each.
    options: the options of `lipbound compute` with _ for -. `time_limit=5` is `--time-limit 5`,
        `bounds=["k5", "k_sdp"]` is `--bounds k5,k_sdp`, `timings=True` is `--timings`; None and False
        leave an option out. `center`, a matrix for `box`, and a dict for `arch` are handed over in files.

    Arrays do not say what is between the layers: `activation` says that they are a plain chain with that
    function between them, `arch` gives another architecture. Without either the program takes ReLU, and says
    what it assumed under `assumed` in each entry of the report.

    The result has one entry for each norm under "reports"; docs/json.md describes it. What is not known, or
    not finite, is None. Raises Error where the program refuses the model or an option, and TypeError for
    objects that are neither numbers nor files.
    """
    taken = {"format", "output"} & options.keys()
    if taken:
        raise TypeError(f"compute() returns the report, so it has no option {taken.pop()}")
    with Files() as files:
        path = _path(model, files)
        arguments = ["compute", "--format=json", f"--norm={text('norm', norm, files)}"]
        arguments += flags(options, files)
        report, status, message = run([*arguments, "--", path])
        if status != 0:
            raise Error(files.without_folder(message), status)
        try:
            document: dict[str, Any] = json.loads(files.without_folder(report, in_json=True))
        except ValueError:
            raise Error(f"the program printed no report but {report[:200]!r}", status) from None
    return document


def best(report: Mapping[str, Any], norm: str | None = None) -> float:
    """The least upper bound in a report: L, the Lipschitz constant, is not larger. Infinite if none is known.

    `norm` chooses among several. Raises ValueError if there is not exactly one entry of that norm.
    """
    found = [entry for entry in report["reports"] if norm in (None, entry["norm"])]
    if len(found) != 1:
        have = ", ".join(f"{entry['model']} in {entry['norm']}" for entry in report["reports"])
        raise ValueError(f"expected one entry, found {len(found)}; the report has {have or 'none'}")
    bound: float | None = found[0]["best"]
    return math.inf if bound is None else bound


def _path(model: Any, files: Files) -> str:
    """The file of a model; arrays are written to one."""
    if isinstance(model, (str, os.PathLike)):
        return text("model", model, files)
    if isinstance(model, (Mapping, list, tuple)) and not model:
        raise Error("the model has no arrays, expected weights and biases")
    if isinstance(model, Mapping):
        return files.tensors("state_dict", model)
    if isinstance(model, (list, tuple)):
        return files.tensors("arrays", {f"arr_{number}": array for number, array in enumerate(model)})
    found = type(model).__name__
    if hasattr(model, "state_dict"):
        raise TypeError(
            f"found a {found}, whose weights do not say what is between its layers; give its .state_dict() "
            "with activation=NAME or arch=..., or the path of its export to ONNX"
        )
    raise TypeError(f"found a {found}, expected a path, a mapping of names to arrays, or a list of arrays")
