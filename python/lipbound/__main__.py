"""`python -m lipbound` is the program."""

import os
import subprocess
import sys

from ._program import Error, program


def main() -> int:
    try:
        command = [program(), *sys.argv[1:]]
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if os.name == "posix":
        os.execv(command[0], command)  # the program takes this process's place, and its signals
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
