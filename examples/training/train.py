#!/usr/bin/env python3
"""Trains a small classifier with and without a penalty on a bound of its Lipschitz constant.

Two noisy spirals in the plane, a ReLU network 2-24-24-2, cross-entropy, Adam on the whole training
set. Written are plain.npz (no penalty), decay.npz (half the sum of the squares of the weights), k3.npz
(K3, whose gradient is computed here in numpy) and k5.npz (K5, whose gradient comes from
`lipbound gradient`). Needs numpy, and lipbound in PATH or named
by the environment variable LIPBOUND.

    python3 examples/training/train.py OUT-DIR
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

LIPBOUND = os.environ.get("LIPBOUND", "lipbound")
WIDTHS = (2, 24, 24, 2)
NORM = "linf"


def spirals(rng, count, noise=0.12):
    """Points of two spirals, moved by normal noise, and their classes."""
    label = np.arange(count) % 2
    angle = 3 * np.pi * np.sqrt(rng.random(count))
    radius = angle / (3 * np.pi)
    turn = angle + np.pi * label
    points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    return points + noise * rng.standard_normal(points.shape), label


def initial(rng):
    """Weights (outputs x inputs) and biases under the names that lipbound reads."""
    params = {}
    for r, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        params[f"W{r}"] = rng.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)
        params[f"b{r}"] = np.zeros(outputs)
    return params


def logits(params, x):
    """The outputs, and what enters each layer."""
    entered = []
    last = len(WIDTHS) - 2
    for r in range(last + 1):
        entered.append(x)
        x = x @ params[f"W{r}"].T + params[f"b{r}"]
        if r < last:
            x = np.maximum(x, 0)
    return x, entered


def loss_gradient(params, x, label):
    """The gradient of the mean cross-entropy."""
    out, entered = logits(params, x)
    p = np.exp(out - out.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(x)), label] -= 1
    adjoint = p / len(x)
    grads = {}
    for r in reversed(range(len(entered))):
        grads[f"W{r}"] = adjoint.T @ entered[r]
        grads[f"b{r}"] = adjoint.sum(axis=0)
        adjoint = (adjoint @ params[f"W{r}"]) * (entered[r] > 0)
    return grads


def k3_gradient(params):
    """The gradient of K3 in linf, the largest row sum of |W_l| ... |W_0|."""
    weights = [params[f"W{r}"] for r in range(len(WIDTHS) - 1)]
    sums = [np.ones(WIDTHS[0])]
    for w in weights:
        sums.append(np.abs(w) @ sums[-1])
    adjoint = np.zeros(WIDTHS[-1])
    adjoint[np.argmax(sums[-1])] = 1
    grads = {f"b{r}": np.zeros(n) for r, n in enumerate(WIDTHS[1:])}
    for r in reversed(range(len(weights))):
        grads[f"W{r}"] = np.sign(weights[r]) * np.outer(adjoint, sums[r])
        adjoint = np.abs(weights[r]).T @ adjoint
    return grads


def bound_gradient(params, bound):
    """The gradient of a bound by `lipbound gradient`."""
    with tempfile.TemporaryDirectory() as folder:
        model, grads = Path(folder, "model.npz"), Path(folder, "grads.npz")
        np.savez(model, **params)
        command = [LIPBOUND, "gradient", model, "--activation", "relu", "--bound", bound, "--norm", NORM]
        command += ["-o", grads, "-q"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with np.load(grads) as arrays:
            return dict(arrays)


def train(penalty, weight, x, label, steps, every):
    """Adam on the loss plus `weight` times the penalty; lipbound is asked for its gradient every few steps."""
    params = initial(np.random.default_rng(1))
    first = {name: np.zeros_like(p) for name, p in params.items()}
    second = {name: np.zeros_like(p) for name, p in params.items()}
    for step in range(steps):
        grads = loss_gradient(params, x, label)
        if penalty == "decay":
            extra = {name: p * (name[0] == "W") for name, p in params.items()}
        elif penalty == "k3":
            extra = k3_gradient(params)
        elif penalty is not None and step % every == 0:
            extra = bound_gradient(params, penalty)
        # A rate that falls to 0.
        rate = 0.01 * (1 - step / steps)
        for name, p in params.items():
            g = grads[name] + (weight * extra[name] if penalty else 0)
            first[name] += 0.1 * (g - first[name])
            second[name] += 0.001 * (g * g - second[name])
            mean = first[name] / (1 - 0.9 ** (step + 1))
            size = second[name] / (1 - 0.999 ** (step + 1))
            p -= rate * mean / (np.sqrt(size) + 1e-8)
    return params


def accuracy(params, x, label):
    return np.mean(np.argmax(logits(params, x)[0], axis=1) == label)


def bounds(path, ids):
    """Certified upper bounds by `lipbound compute`."""
    command = [LIPBOUND, "compute", path, "--activation", "relu", "--norm", NORM, "--bounds", ids]
    command += ["--no-lower", "-q", "--format", "json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(text.stdout)["reports"][0]["bounds"]
    return {entry["id"]: entry["upper"] for entry in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the models are written")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--every", type=int, default=5, help="steps between calls of lipbound")
    parser.add_argument("--decay", type=float, default=4e-3, metavar="WEIGHT", help="weight decay")
    parser.add_argument("--k3", type=float, default=1e-3, metavar="WEIGHT", help="weight of K3")
    parser.add_argument("--k5", type=float, default=3e-3, metavar="WEIGHT", help="weight of K5")
    options = parser.parse_args()
    if shutil.which(LIPBOUND) is None:
        parser.error(f"the program {LIPBOUND} is not found: add it to PATH, or set LIPBOUND to its path")
    options.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    x, label = spirals(rng, 300)
    x_test, label_test = spirals(rng, 5000)
    print(f"{'model':<8}{'training':>10}{'test':>8}{'K3':>12}{'K5':>12}")
    for name, penalty, weight in (
        ("plain", None, 0),
        ("decay", "decay", options.decay),
        ("k3", "k3", options.k3),
        ("k5", "k5", options.k5),
    ):
        params = train(penalty, weight, x, label, options.steps, options.every)
        path = options.folder / f"{name}.npz"
        np.savez(path, **params)
        found = bounds(path, "k3,k5")
        print(
            f"{name:<8}{accuracy(params, x, label):>10.3f}{accuracy(params, x_test, label_test):>8.3f}"
            f"{found['k3']:>12.2f}{found['k5']:>12.2f}"
        )
        if penalty == "k3":
            # The two ways to a gradient of K3 agree, up to rounding.
            theirs = bound_gradient(params, "k3")
            for key, ours in k3_gradient(params).items():
                np.testing.assert_allclose(ours, theirs[key], rtol=1e-12, err_msg=key)


if __name__ == "__main__":
    main()
