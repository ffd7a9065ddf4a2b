"""Every block of Python in README.md and docs/ is run as it is written; what follows `>>>` is compared."""

import contextlib
import doctest
import io
import shutil
import subprocess
import sys
import unittest

import numpy as np

from .support import ROOT, InFolder


class Model:
    """What the pages use of a PyTorch module and of a Keras model: 8-10-6-3, as in `arch` of docs/python.md."""

    class Tensor(np.ndarray):
        def numpy(self):
            return np.asarray(self)

    def __init__(self):
        random = np.random.default_rng(0)
        self.weights = {}
        for number, shape in ((0, (10, 8)), (2, (6, 10)), (4, (3, 6))):
            self.weights[f"{number}.weight"] = random.standard_normal(shape).view(Model.Tensor)
            self.weights[f"{number}.bias"] = random.standard_normal(shape[0]).view(Model.Tensor)

    def state_dict(self):
        return self.weights

    def get_weights(self):
        return [array.T for array in self.weights.values()]


def blocks(page):
    """The blocks of Python in a page, with the numbers of their first lines."""
    inside, found = False, []
    for number, line in enumerate(page.splitlines(keepends=True), 1):
        if line.startswith("```"):
            inside = line.strip() == "```python"
            if inside:
                found.append((number, ""))
        elif inside:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


class Documentation(InFolder):
    def test_blocks_of_python_do_what_they_say(self):
        (self.folder / "examples").mkdir()
        shutil.copy(ROOT / "examples" / "mnist_mlp.npz", self.folder / "examples")
        # What the page on training has made, and loaded, before its block.
        example = "examples/mnist_mlp.npz"
        gradient = ["gradient", example, "--bound", "k5", "--norm", "linf", "-o", "grads.npz"]
        subprocess.run([sys.executable, "-m", "lipbound", *gradient], check=True, capture_output=True)
        with np.load(example) as file:
            weights = {name: file[name] for name in file}
        count = 0
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            model = Model()
            names = dict(zip(["W0", "b0", "W1", "b1", "W2", "b2"], model.weights.values(), strict=True))
            names |= {"numpy": np, "model": model, "__name__": "__main__"}
            names |= {"weights": weights, "rate": 1e-3}
            for line, block in blocks(page.read_text()):
                count += 1
                with self.subTest(f"{page.name}, line {line}"):
                    if ">>>" not in block:
                        with contextlib.redirect_stdout(io.StringIO()):
                            exec(compile(block, f"{page}:{line}", "exec"), names)
                        continue
                    said = []
                    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
                    test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), line)
                    runner.run(test, out=said.append, clear_globs=False)
                    names.update(test.globs)
                    self.assertEqual("".join(said), "")
        self.assertGreaterEqual(count, 8)


if __name__ == "__main__":
    unittest.main()
