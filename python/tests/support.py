"""What several tests need."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import lipbound

ROOT = pathlib.Path(__file__).resolve().parents[2]
MLP = ROOT / "examples" / "mnist_mlp.npz"


def command(*arguments, **more):
    """Runs a command whose `lipbound` is the one of the module."""
    folder = os.path.dirname(lipbound.program())
    environment = {**os.environ, "PATH": os.pathsep.join([folder, os.environ["PATH"]]), **more.pop("env", {})}
    arguments = [os.fspath(argument) for argument in arguments]
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, **more)


def missing(test, what):
    """Skips a test for want of a program, visibly; where nothing may be skipped, as in .ci/run, it fails."""
    if os.environ.get("LIPBOUND_NO_SKIP"):
        test.fail(f"{what} is missing")
    test.skipTest(f"{what} is missing")


class InFolder(unittest.TestCase):
    """A test in an empty folder of its own, with its own folder for temporary files, which must be left empty."""

    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name, "a folder")
        self.temporary = pathlib.Path(made.name, "temporary")
        for path in (self.folder, self.temporary):
            path.mkdir()
        before = (os.getcwd(), tempfile.tempdir)
        self.addCleanup(self._restore, before)
        os.chdir(self.folder)
        tempfile.tempdir = str(self.temporary)

    def _restore(self, before):
        left = os.listdir(self.temporary)
        os.chdir(before[0])
        tempfile.tempdir = before[1]
        self.assertEqual(left, [], "temporary files are left")

    def write(self, name, value):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path
