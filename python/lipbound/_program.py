"""The program: where it is, and how it is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig


class Error(RuntimeError):
    """What the program refused, in its own words. An option that it calls `--time-limit` is `time_limit` here."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        #: The exit status of the program; None if it could not be run.
        self.status = status


def program() -> str:
    """The path of the program: the one that was installed with this module, or the first on PATH."""
    name = "lipbound" + (sysconfig.get_config_var("EXE") or "")
    folders = [
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")),
        os.path.join(os.path.dirname(os.path.dirname(__file__)), "bin"),  # pip install --target
    ]
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    found = shutil.which("lipbound")
    if found is None:
        raise Error(f"the program lipbound is neither in {folders[0]} nor on PATH; install the package again")
    return found


def run(arguments: list[str]) -> tuple[str, int, str]:
    """What the program prints, its exit status, and its message."""
    environment = {name: value for name, value in os.environ.items() if name != "CLICOLOR_FORCE"}
    try:
        done = subprocess.run(
            [program(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise Error(f"the program cannot be run: {error}") from error
    except ValueError as error:  # a NUL in an argument
        raise Error(str(error)) from None
    message = done.stderr.strip().removeprefix("error: ")
    for hint in ("\n\nUsage:", "\n\nFor more information"):  # of the command line
        message = message.split(hint)[0]
    if done.returncode < 0:
        message = f"the program was ended by signal {-done.returncode} {message}".strip()
    return done.stdout, done.returncode, message
