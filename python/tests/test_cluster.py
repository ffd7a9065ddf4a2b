"""The scripts in examples/cluster/, run by GNU parallel and by Dask.

Their reports, put together, must say what one process says of all models; a task that fails must be named, leave the
others alone, and be all that is run again.
"""

import importlib.util
import json
import logging
import os
import shutil
import sys
from unittest import mock

import lipbound

from .support import MLP, ROOT, InFolder, command, missing

SCRIPTS = ROOT / "examples" / "cluster"
OPTIONS = "--norm linf --bounds k1,k5"


def model(scale):
    """A network with two layers; its bounds grow with `scale`."""
    return {"weights": [[[scale, 1.0], [-1.0, 2.0], [0.5, scale]], [[1.0, -scale, 2.0], [0.25, 1.0, scale]]]}


class Cluster(InFolder):
    def setUp(self):
        super().setUp()
        self.models = [f"run {n // 2}/epoch{n}.json" for n in (1, 2, 10)]
        for number, name in enumerate(self.models):
            self.write(name, model(1.0 + number))

    def run_script(self, *arguments, status=0, **environment):
        done = command(*arguments, env=environment)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def compare(self, *arguments):
        return self.run_script("lipbound", "compare", *arguments).stdout

    def csv(self, *arguments):
        return self.compare(*arguments, *OPTIONS.split(), "--format", "csv")

    def largest_of_the_example(self):
        """The linf bound of the example model, computed in one process."""
        done = self.run_script("lipbound", "compute", MLP, "--norm", "linf", "--bounds", "k5", "--format", "json")
        return json.loads(done.stdout)["reports"][0]["best"]


class Parallel(Cluster):
    def setUp(self):
        super().setUp()
        found = shutil.which("parallel")
        if found is None or "GNU" not in command(found, "--version").stdout:
            missing(self, "GNU parallel")

    def jobs(self):
        """The exit status of every task that was run, in the order of the log."""
        lines = (self.folder / "reports" / "jobs.log").read_text().splitlines()[1:]
        return {line.split("\t")[0]: int(line.split("\t")[6]) for line in lines}

    def test_reports_of_tasks_are_the_comparison_of_the_models(self):
        done = self.run_script(SCRIPTS / "parallel.sh", "reports", *self.models, OPTIONS=OPTIONS)
        self.assertEqual(done.stdout, self.compare(*self.models, *OPTIONS.split()))
        self.assertEqual(self.csv("reports"), self.csv(*self.models))
        self.assertEqual(self.jobs(), {"1": 0, "2": 0, "3": 0})

    def test_a_task_that_fails_is_reported_and_is_all_that_is_run_again(self):
        self.write(self.models[1], "{")
        run = [SCRIPTS / "parallel.sh", "reports", *self.models]
        done = self.run_script(*run, status=1, OPTIONS=OPTIONS)
        self.assertIn(f"{self.models[1]}: ", done.stderr)
        self.assertIn("1 tasks failed: see reports/jobs.log", done.stderr)
        self.assertEqual(done.stdout, self.compare(self.models[0], self.models[2], *OPTIONS.split()))
        self.assertEqual(self.jobs(), {"1": 0, "2": 2, "3": 0})
        reports = {path: path.stat().st_mtime_ns for path in (self.folder / "reports").glob("*.json")}
        self.assertEqual(len(reports), 2)

        self.write(self.models[1], model(2.0))
        done = self.run_script(*run, OPTIONS=OPTIONS)
        self.assertEqual(done.stdout, self.compare(*self.models, *OPTIONS.split()))
        for path, written in reports.items():
            self.assertEqual(path.stat().st_mtime_ns, written, f"{path} was computed again")

        # Nothing is left to do, and the comparison is printed all the same.
        log = (self.folder / "reports" / "jobs.log").read_text()
        self.assertEqual(self.run_script(*run, OPTIONS=OPTIONS).stdout, done.stdout)
        self.assertEqual((self.folder / "reports" / "jobs.log").read_text(), log)

    def test_groups_of_outputs_have_the_bound_of_the_model(self):
        largest = self.largest_of_the_example()
        for size in ("4", "10"):
            with self.subTest(size):
                arguments = [SCRIPTS / "rows.sh", f"reports{size}", MLP, "10", size]
                done = self.run_script(*arguments, OPTIONS="--bounds k5 --activation relu")
                reports = sorted((self.folder / f"reports{size}").glob("from*.json"))
                self.assertEqual([path.stem for path in reports], ["from0", "from4", "from8"][: -(-10 // int(size))])
                found = [json.loads(path.read_text())["reports"][0] for path in reports]
                self.assertEqual(max(entry["best"] for entry in found), largest)
                self.assertEqual(found[0]["scope"], f"outputs {', '.join(map(str, range(int(size))))}")
                # The printed comparison has one row.
                self.assertEqual(done.stdout.splitlines()[0], "1 model")
                self.assertIn(f"{largest:.3f}"[:6], done.stdout.split("\n\n")[1].splitlines()[-1])

    def test_a_group_that_fails_is_reported(self):
        done = self.run_script(SCRIPTS / "rows.sh", "reports", self.models[0], "3", status=1)
        self.assertIn("--outputs asks for output 2, but the model has the outputs 0 to 1", done.stderr)
        self.assertIn("tasks failed: see reports/jobs.log", done.stderr)
        self.assertEqual(self.jobs(), {"1": 0, "2": 0, "3": 2})


class Dask(Cluster):
    def setUp(self):
        super().setUp()
        if importlib.util.find_spec("distributed") is None:
            missing(self, "dask[distributed]")

    def run_dask(self, *arguments, status=0):
        return self.run_script(sys.executable, SCRIPTS / "dask_tasks.py", *arguments, status=status)

    def test_reports_of_tasks_are_the_comparison_of_the_models(self):
        done = self.run_dask("reports", *self.models, "--", *OPTIONS.split())
        self.assertEqual(done.stdout, self.compare(*self.models, *OPTIONS.split()))
        self.assertEqual(self.csv("reports"), self.csv(*self.models))

    def test_workers_of_a_scheduler_take_the_tasks_and_one_may_fail(self):
        import dask
        from dask.distributed import LocalCluster

        self.write(self.models[1], "{")
        # The workers look for the program on their own path.
        path = os.pathsep.join([os.path.dirname(lipbound.program()), os.environ["PATH"]])
        started = {
            "n_workers": 2,
            "threads_per_worker": 1,
            "host": "127.0.0.1",
            "dashboard_address": None,
            "silence_logs": logging.CRITICAL,
        }
        with (
            mock.patch.dict(os.environ, {"PATH": path}),
            dask.config.set(temporary_directory=str(self.folder)),
            LocalCluster(**started) as cluster,
        ):
            run = ["reports", "--scheduler", cluster.scheduler_address, *self.models, "--", *OPTIONS.split()]
            done = self.run_dask(*run, status=1)
            self.assertIn(f"{self.models[1]}: ", done.stderr)
            self.assertEqual(done.stdout, self.compare(self.models[0], self.models[2], *OPTIONS.split()))
            # The workers must not answer from what they remember of the first run.
            self.write(self.models[1], model(2.0))
            done = self.run_dask(*run)
            self.assertEqual(done.stdout, self.compare(*self.models, *OPTIONS.split()))
            # Nor may the comparison show an earlier report of a model that has failed now.
            self.write(self.models[1], "{")
            done = self.run_dask(*run, status=1)
            self.assertEqual(done.stdout, self.compare(self.models[0], self.models[2], *OPTIONS.split()))

    def test_where_every_task_fails_there_is_no_comparison(self):
        done = self.run_dask("reports", "missing.json", status=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("missing.json: error: missing.json", done.stderr)
        self.assertNotIn("CalledProcessError", done.stderr)

    def test_rows_are_joined(self):
        self.run_dask("reports", MLP, "--rows", "10", "--", "--bounds", "k5")
        reports = sorted((self.folder / "reports").glob("*.json"))
        self.assertEqual(len(reports), 10)
        joined = json.loads(self.compare(*reports, "--format", "json"))["reports"]
        self.assertEqual([entry["best"] for entry in joined], [self.largest_of_the_example()])
        # A row that does not exist fails; one that is missing leaves the bound unknown.
        done = self.run_dask("more", self.models[0], "--rows", "3", status=1)
        self.assertIn("the model has the outputs 0 to 1", done.stderr)
        self.assertIn("joined from 2 parts of the outputs", done.stdout)
        done = self.run_dask("less", MLP, "--rows", "9", "--", "--bounds", "k5")
        self.assertIn("the parts are not joined: missing outputs: 9", done.stdout.replace("\n      ", " "))
