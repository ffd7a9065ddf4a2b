"""lipbound.compute: values, what it accepts, what it refuses."""

import json
import math
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import unittest
from unittest import mock

import ml_dtypes
import numpy as np

import lipbound

from .support import MLP, ROOT, InFolder, command

# |x| = relu(x) + relu(-x).
ABSOLUTE = {"0.weight": [[1.0], [-1.0]], "0.bias": [0.0, 0.0], "2.weight": [[1.0, 1.0]], "2.bias": [0.0]}


class Tensor:
    """What the module uses of a torch.Tensor. Like it, `numpy` refuses what is not detached, is not in the
    processor's memory, or has a type that numpy has not."""

    def __init__(self, values, attached=True, device="cuda", bfloat16=False):
        self.values, self.attached, self.device, self.bfloat16 = values, attached, device, bfloat16

    def detach(self):
        return Tensor(self.values, False, self.device, self.bfloat16)

    def cpu(self):
        return Tensor(self.values, self.attached, "cpu", self.bfloat16)

    def float(self):
        return Tensor(self.values.astype(np.float32), self.attached, self.device)

    def numpy(self):
        if self.attached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda tensor to numpy")
        if self.bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


class Values(InFolder):
    def test_the_absolute_value_has_the_constant_1(self):
        # K* is the product of the norms 1 and 2; K5 is (|W1 W0| + |W1| |W0|) / 2 = (0 + 2) / 2, which is L.
        report = lipbound.compute(ABSOLUTE, bounds=["k_star", "k5"])
        (entry,) = report["reports"]
        upper = {bound["id"]: bound["upper"] for bound in entry["bounds"]}
        for found, exact in ((upper["k_star"], 2.0), (upper["k5"], 1.0), (lipbound.best(report), 1.0)):
            self.assertGreaterEqual(found, exact)
            self.assertLessEqual(found, exact * (1 + 1e-9))
        self.assertLessEqual(entry["lower"], 1.0)

    def test_an_affine_map_has_the_norm_of_its_matrix(self):
        # The largest row sum is 3 + 4, the largest column sum 2 + 4; the square of the spectral norm is the larger
        # root of x^2 - 30 x + 100 (trace and determinant of W^T W).
        exact = {"linf": 7.0, "l1": 6.0, "l2": math.sqrt(15 + 5 * math.sqrt(5))}
        report = lipbound.compute([[[1.0, -2.0], [3.0, 4.0]]], norm="all")
        for norm, value in exact.items():
            found = lipbound.best(report, norm)
            self.assertGreaterEqual(found, value * (1 - 1e-15))
            self.assertLessEqual(found, value * (1 + 1e-9))

    def test_reports_are_those_of_the_program(self):
        options = ["--bounds", "k_star,k1,k5", "--norm", "all"]
        done = command("lipbound", "compute", MLP, "--format", "json", *options)
        expected = json.loads(done.stdout)
        self.assertEqual(lipbound.compute(MLP, norm="all", bounds="k_star,k1,k5"), expected)
        # The same numbers from arrays, which come under another name.
        with np.load(MLP) as arrays:
            found = lipbound.compute(dict(arrays), norm="all", bounds=("k_star", "k1", "k5"))
        for entry in expected["reports"]:
            entry["model"] = "state_dict"
        self.assertEqual(found, expected)

    def test_options_are_those_of_the_program(self):
        done = command(
            "lipbound",
            "compute",
            MLP,
            "--norm",
            "linf",
            "--format",
            "json",
            "--bounds",
            "k5",
            "--outputs",
            "3,1",
            "--center",
            "0.5",
            "--radius",
            "0.25",
            "--threads",
            "1",
            "--no-lower",
            "--estimates",
        )
        found = lipbound.compute(
            MLP,
            bounds=["k5"],
            outputs=[3, 1],
            center=0.5,
            radius=np.float32(0.25),
            threads=1,
            no_lower=True,
            estimates=True,
            timings=False,
            activation=None,
        )
        self.assertEqual(found, json.loads(done.stdout))
        self.assertIsNone(found["reports"][0]["lower"])
        part = found["reports"][0]["part"]
        self.assertEqual((part["axis"], part["numbers"], part["count"]), ("outputs", [3, 1], 10))
        first, rest = (
            lipbound.compute(MLP, norm="l1", bounds=["k3"], no_lower=True, inputs=inputs)
            for inputs in ([0], range(1, 784))
        )
        # In l1 the largest column is that of the model.
        whole = lipbound.compute(MLP, norm="l1", bounds=["k3"], no_lower=True)
        self.assertEqual(max(lipbound.best(first), lipbound.best(rest)), lipbound.best(whole))

    def test_what_is_not_finite_is_none_and_the_best_bound_infinite(self):
        report = lipbound.compute([[[1e300]], [[1e300]]], bounds="k_star")
        self.assertIsNone(report["reports"][0]["best"])
        self.assertEqual(lipbound.best(report), math.inf)

    def test_the_best_bound_of_several_reports_must_be_chosen(self):
        report = lipbound.compute(ABSOLUTE, norm="all", bounds="k5")
        self.assertGreaterEqual(lipbound.best(report, "l2"), 1.0)
        for norm in (None, "l3"):
            with self.assertRaisesRegex(ValueError, "state_dict in l1, state_dict in l2, state_dict in linf"):
                lipbound.best(report, norm)

    def test_searches_close_and_a_time_limit_ends_them(self):
        (entry,) = lipbound.compute(ABSOLUTE, bounds="l", time_limit=60)["reports"]
        (bound,) = entry["bounds"]
        self.assertEqual(bound["guarantee"], "enclosure")
        self.assertTrue(1 - 1e-9 <= bound["lower"] <= 1.0 <= bound["upper"] <= 1 + 1e-9, bound)
        began = time.monotonic()
        (entry,) = lipbound.compute(MLP, bounds="l", time_limit=0.5)["reports"]
        (bound,) = entry["bounds"]
        self.assertLess(bound["lower"], bound["upper"])
        self.assertLess(time.monotonic() - began, 60)


class Arrays(InFolder):
    def bounds(self, weights, **options):
        (entry,) = lipbound.compute(weights, bounds="k_star,k1,k5", **options)["reports"]
        return entry["bounds"], entry["lower"]

    def test_every_kind_of_array_gives_the_same_bounds(self):
        # Multiples of 1/8 up to 4 are exact in all of these types.
        random = np.random.default_rng(1)
        shapes = {"0.weight": (4, 3), "1.weight": (5, 4), "2.weight": (2, 5)}
        weights = {name: random.integers(-32, 33, shape) / 8 for name, shape in shapes.items()}
        expected = self.bounds(weights)
        kinds = {
            "float32": lambda a: a.astype(np.float32),
            "float16": lambda a: a.astype(np.float16),
            "bfloat16": lambda a: a.astype(ml_dtypes.bfloat16),
            "big endian": lambda a: a.astype(">f4"),
            "Fortran order": np.asfortranarray,
            "a view": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
            "lists": lambda a: a.tolist(),
            "torch": Tensor,
            "torch bfloat16": lambda a: Tensor(a, bfloat16=True),
        }
        for kind, convert in kinds.items():
            with self.subTest(kind):
                self.assertEqual(self.bounds({name: convert(a) for name, a in weights.items()}), expected)
        with self.subTest("a sequence"):
            self.assertEqual(self.bounds(list(weights.values())), expected)
            self.assertEqual(self.bounds(tuple(weights.values())), expected)

    def test_names_mean_what_they_mean_in_files_and_keep_their_order(self):
        # `file` and `allow_pickle` are names that numpy.savez does not take.
        first, second = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.25]]), np.array([[1.0, -1.0, 2.0]])
        expected = self.bounds([first, second])
        for a, b in (("z.weight", "a.weight"), ("file.weight", "allow_pickle.weight"), ("net/fc 1/weight", "é.weight")):
            self.assertEqual(self.bounds({a: first, b: second}), expected)
        # Of square matrices the order says nothing, unless the names have numbers.
        square = np.eye(2)
        with self.assertRaisesRegex(lipbound.Error, "fit together in another order"):
            lipbound.compute({"z.weight": square, "a.weight": square})
        self.assertEqual(self.bounds({"z1.weight": square, "z2.weight": square}), self.bounds([square, square]))
        self.assertEqual(self.bounds({"0.kernel": first.T, "1.kernel": second.T}), expected)
        self.assertEqual(self.bounds([first.T, second.T], layout="in-out"), expected)

    def test_an_architecture_is_a_file_or_a_dict(self):
        path = ROOT / "examples" / "mnist_cnn_a.arch.json"
        options = {"bounds": "k5", "norm": "linf", "no_lower": True}
        expected = lipbound.compute(path.with_name("mnist_cnn_a.npz"), arch=path, **options)["reports"][0]["bounds"]
        with np.load(path.with_name("mnist_cnn_a.npz")) as arrays:
            arrays = dict(arrays)
        for arch in (path, str(path), json.loads(path.read_text())):
            report = lipbound.compute(arrays, arch=arch, **options)
            self.assertEqual(report["reports"][0]["bounds"], expected)
        self.assertIn("architecture: arch.json", report["reports"][0]["notes"])

    def test_boxes_and_centres_are_arrays(self):
        # On inputs near (1, 2) only relu(x) is left of |x| in each component: L is the row sum of [3, -4].
        absolute = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        weights = [absolute, np.array([[3.0, 3.0, -4.0, -4.0]])]
        box = [[0.5, 1.5], [1.5, 2.5]]
        for options in (
            {"box": box},
            {"box": np.array(box)},
            {"box": Tensor(np.array(box))},
            {"box": (0.5, 2.5)},
            {"center": [1.0, 2.0], "radius": 0.5},
            {"center": np.array([[[1.0], [2.0]]]), "radius": np.array(0.5)},
            {"center": Tensor(np.array([1.0, 2.0], np.float32)), "radius": 0.5},
            {"center": 1.5, "radius": 1},
        ):
            with self.subTest(options):
                report = lipbound.compute(weights, bounds="k5", **options)
                self.assertGreaterEqual(lipbound.best(report), 7.0)
                self.assertLessEqual(lipbound.best(report), 7.0 * (1 + 1e-9))
        self.assertEqual(report["reports"][0]["scope"], "inputs within 1 of 1.5")
        report = lipbound.compute(weights, bounds="k5", center=[1.0, 2.0], radius=0.5)
        self.assertEqual(report["reports"][0]["scope"], "inputs within 0.5 of center.npy")

    def test_numbers_are_handed_over_exactly(self):
        # The nearest number of 32 bits to 0.1 is 0.100000001490116...
        report = lipbound.compute(ABSOLUTE, bounds="k5", center=-0.5, radius=np.float32(0.1))
        self.assertEqual(report["reports"][0]["scope"], "inputs within 0.10000000149011612 of -0.5")
        report = lipbound.compute([[[1.0, 2.0]], [[1.0], [2.0], [3.0]]], bounds="k5", outputs=np.arange(2), box=(-1, 1))
        self.assertEqual(report["reports"][0]["scope"], "inputs in the box -1,1, outputs 0, 1")


class Files(InFolder):
    def test_paths_may_have_spaces_and_look_like_options(self):
        for name in ("my model.json", "--bounds.json", "-q.json", "é'\".json"):
            path = self.write(name, {"weights": [[[2.0]]]})
            for given in (name, path, os.fspath(path)):
                self.assertEqual(lipbound.best(lipbound.compute(given)), 2.0)

    def test_a_folder_that_cannot_be_written_to(self):
        path = self.write("model.json", {"weights": [[[2.0]]]})
        os.chmod(self.folder, stat.S_IRUSR | stat.S_IXUSR)
        self.addCleanup(os.chmod, self.folder, stat.S_IRWXU)
        before = sorted(os.listdir(self.folder))
        self.assertEqual(lipbound.best(lipbound.compute(path.name)), 2.0)
        self.assertEqual(lipbound.best(lipbound.compute([[[2.0]]])), 2.0)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_model_in_a_file_needs_neither_numpy_nor_temporary_files(self):
        path = self.write("model.json", {"weights": [[[2.0]]]})
        code = (
            "import sys, tempfile; sys.modules['numpy'] = None; tempfile.tempdir = '/missing'; import lipbound; "
            "print(lipbound.best(lipbound.compute(sys.argv[1], outputs=[0], bounds=['k_star', 'k5'])))"
        )
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr), ("2.0\n", ""))

    def test_files_that_options_name_are_written_where_they_say(self):
        lipbound.compute(ABSOLUTE, bounds="k_sdp", certificate=self.folder / "proof.json", plot="bounds.svg")
        self.assertEqual(json.loads(pathlib.Path("proof.json").read_text())["schema"], "lipbound-certificate/2")
        self.assertTrue(pathlib.Path("bounds.svg").read_text().startswith("<"))


class Errors(InFolder):
    def refused(self, said, *arguments, error=lipbound.Error, **options):
        with self.assertRaisesRegex(error, said) as caught:
            lipbound.compute(*arguments, **options)
        self.assertNotIn(str(self.temporary), str(caught.exception))
        return caught.exception

    def test_what_the_program_refuses_is_an_error_in_its_words(self):
        error = self.refused("^missing.npz: ", "missing.npz")
        self.assertEqual(error.status, 2)
        self.assertIsInstance(error, RuntimeError)
        self.refused(
            "^state_dict: tensor 2.weight: its shape 1x3 takes 3 inputs", {**ABSOLUTE, "2.weight": [[1.0, 1.0, 1.0]]}
        )
        self.refused("(?i)^state_dict: tensor 0.weight.*nan", {**ABSOLUTE, "0.weight": [[math.nan], [1.0]]})
        self.refused("the model has no arrays", {})
        self.refused("the model has no arrays", [])
        self.refused("complex numbers", {"W0": np.array([[1j]])})
        self.refused("truth values", {"W0": np.array([[True]])})
        self.refused("give the architecture with --arch", {"0.weight": np.zeros((2, 1, 3, 3))})
        self.refused("(?s)unexpected argument '--time-limmit'.*--time-limit.*$", ABSOLUTE, time_limmit=5)
        self.refused("unknown bound k6", ABSOLUTE, bounds="k6")
        self.refused("invalid value 'l3'", ABSOLUTE, norm="l3")
        self.refused(
            "^state_dict: --center center.npy: found 2 points, expected one", ABSOLUTE, center=[1.0, 2.0], radius=1
        )
        self.refused("arch.json: ", ABSOLUTE, arch={"input_shape": [1]})

    def test_a_message_is_the_program_s_without_the_usage(self):
        for error in (
            self.refused("unexpected argument", ABSOLUTE, no_such_option=True),
            self.refused("unknown bound k6", ABSOLUTE, bounds="k6"),
        ):
            self.assertNotRegex(str(error), "Usage|--help")
        self.assertNotRegex(str(self.refused("missing", "missing.npz")), "^error")
        with mock.patch.dict(os.environ, {"CLICOLOR_FORCE": "1"}):
            self.assertNotIn("\x1b", str(self.refused("missing", "missing.npz")))

    def test_a_model_of_several_that_cannot_be_read_is_an_error(self):
        self.write("models/a.json", {"weights": [[[2.0]]]})
        self.write("models/b.json", {"weights": [[[2.0], [3.0, 4.0]]]})
        self.refused("b.json", "models")

    def test_objects_that_are_no_models_are_type_errors(self):
        class Module:
            def state_dict(self):
                return ABSOLUTE

        self.refused("found a Module.*give its .state_dict", Module(), error=TypeError)
        self.refused("found a int, expected a path", 3, error=TypeError)
        self.refused("tensor 0.weight: found a dict, expected an array", {"0.weight": {}}, error=TypeError)
        self.refused("tensor arr_0: ", [[[1.0, 2.0], [3.0]]], error=TypeError)
        self.refused("bounds: found a object", ABSOLUTE, bounds=object(), error=TypeError)
        for option in ("format", "output"):
            self.refused(f"has no option {option}", ABSOLUTE, error=TypeError, **{option: "csv"})

    def test_what_is_no_report_is_an_error(self):
        self.refused("printed no report but", ABSOLUTE, help=True)

    def test_a_missing_program_is_an_error(self):
        with mock.patch("os.path.isfile", return_value=False), mock.patch.dict(os.environ, {"PATH": ""}):
            self.assertIsNone(self.refused("neither in .* nor on PATH", ABSOLUTE).status)

    def test_a_program_that_is_ended_from_outside_is_an_error(self):
        killed = self.write("killed", "#!/bin/sh\nkill -9 $$\n")
        killed.chmod(0o755)
        with mock.patch("lipbound._program.program", return_value=str(killed)):
            self.assertEqual(self.refused("ended by signal 9", ABSOLUTE).status, -9)


class Program(InFolder):
    def test_the_module_is_the_program(self):
        for arguments, status in (
            (["--version"], 0),
            (["compute", "missing.npz"], 2),
            (["check", MLP, "--norm", "l1", "--max", "1", "--bounds", "k5"], 2),
            (["check", MLP, "--activation", "relu", "--norm", "l1", "--max", "1", "--bounds", "k5"], 1),
        ):
            direct = command("lipbound", *arguments)
            module = command(sys.executable, "-m", "lipbound", *arguments)
            self.assertEqual((module.stdout, module.stderr), (direct.stdout, direct.stderr))
            self.assertEqual((module.returncode, direct.returncode), (status, status))

    def test_the_program_is_that_of_the_environment(self):
        self.assertEqual(pathlib.Path(lipbound.program()).parent, pathlib.Path(sys.executable).parent)

    def test_an_interrupt_ends_a_search_with_what_is_proved(self):
        arguments = [lipbound.program(), "compute", MLP, "--bounds", "l", "--norm", "linf", "--format", "json"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        (bound,) = json.loads(output)["reports"][0]["bounds"]
        self.assertLess(bound["lower"], bound["upper"])

    def test_an_interrupt_of_python_ends_the_program_and_leaves_no_files(self):
        code = (
            "import sys, tempfile, lipbound; tempfile.tempdir = sys.argv[1]; print('ready', flush=True)\n"
            "try: lipbound.compute({'W0': [[1.0]]}, bounds='l')\n"
            "except KeyboardInterrupt: print('interrupted')"
        )
        slow = self.write("lipbound", "#!/bin/sh\necho $$ > pid\nexec sleep 600\n")
        slow.chmod(0o755)
        code = f"import lipbound._program as p; p.program = lambda: {str(slow)!r}\n" + code
        # Where the tests are started in the background, shells have SIGINT ignored, and children inherit that.
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + code
        arguments = [sys.executable, "-c", code, self.temporary]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            self.assertEqual(process.stdout.readline(), "ready\n")
            while not (pid := self.folder / "pid").exists() or not pid.read_text():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        self.assertEqual((output, process.returncode), ("interrupted\n", 0))
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)

    def test_threads_may_compute_at_the_same_time(self):
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda n: lipbound.best(lipbound.compute([[[float(n)]]])), range(1, 9)))
        self.assertEqual(found, [float(n) for n in range(1, 9)])

    def test_the_sources_are_written_for_the_declared_version(self):
        import ast
        import tomllib

        declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
        version = tuple(map(int, declared.removeprefix(">=").split(".")))
        self.assertGreaterEqual(sys.version_info, version)
        for path in (ROOT / "python").rglob("*.py"):
            ast.parse(path.read_text(), feature_version=version)


if __name__ == "__main__":
    unittest.main()
