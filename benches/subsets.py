"""The formulas of the bounds written down as they are defined, with NumPy, against lipbound.

K1, K4, K5 and Kl2 are sums over all 2^l subsets of the l hidden layers. A ReLU network with random weights; the
time of lipbound is that of the whole program, start and reading included.

    python3 benches/subsets.py target/release/lipbound [HIDDEN_LAYERS [WIDTH]]

NumPy has the five bounds FIVE, and what else is in the default set but Ksdp and the lower bound of L.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ORDERS = {"l1": 1, "l2": 2, "linf": np.inf}
FIVE = ["k_star", "k1", "k3", "k4", "k5"]


def product(maps, t, s):
    """W_{t-1} ... W_s."""
    result = maps[s]
    for w in maps[s + 1 : t]:
        result = w @ result
    return result


def ways_to_cut(maps):
    """For each subset of the hidden layers the products between its cuts, from the inputs on."""
    depth = len(maps) - 1
    for count in range(depth + 1):
        for chosen in itertools.combinations(range(1, depth + 1), count):
            cuts = [0, *chosen, depth + 1]
            yield [product(maps, t, s) for s, t in itertools.pairwise(cuts)]


def five(maps, order):
    """The five bounds in one norm."""

    def norm(m):
        return np.linalg.norm(m, order)

    depth = len(maps) - 1
    k1 = k4 = 0.0
    k5 = np.zeros((maps[-1].shape[0], maps[0].shape[1]))
    for factors in ways_to_cut(maps):
        absolute = np.abs(factors[0])
        for factor in factors[1:]:
            absolute = np.abs(factor) @ absolute
        k1 += np.prod([norm(factor) for factor in factors])
        k4 += norm(absolute)
        k5 += absolute
    share = 2.0**-depth
    k3 = product([np.abs(w) for w in maps], depth + 1, 0)
    return {
        "k_star": np.prod([norm(w) for w in maps]),
        "k1": share * k1,
        "k3": norm(k3),
        "k4": share * k4,
        "k5": share * norm(k5),
    }


def k2(maps, order):
    """K2 with the maximum of each factor bounded from above by K5, in l2 also by K1."""
    halves = []
    for w in maps[1:-1]:
        u, s, v = np.linalg.svd(w, full_matrices=False)
        halves.append((u * np.sqrt(s), np.sqrt(s)[:, None] * v))
    right = [maps[0], *[b for b, _ in halves]]
    left = [*[a for _, a in halves], maps[-1]]
    result = 1.0
    for a, b in zip(left, right):
        bound = np.linalg.norm((np.abs(a @ b) + np.abs(a) @ np.abs(b)) / 2, order)
        if order == 2:
            whole, parts = np.linalg.norm(a @ b, 2), np.linalg.norm(a, 2) * np.linalg.norm(b, 2)
            bound = min(bound, (whole + parts) / 2)
        result *= bound
    return result


def k_l2(maps, order):
    """K1 of each input with the lengths of its columns (l1), or of each output with those of its rows (linf)."""
    total = 0.0
    for factors in ways_to_cut(maps):
        end = factors.pop(0 if order == 1 else -1)
        lengths = np.linalg.norm(end, axis=0 if order == 1 else 1)
        total += lengths * np.prod([np.linalg.norm(factor, 2) for factor in factors])
    count = maps[-1].shape[0] if order == 1 else maps[0].shape[1]
    return np.sqrt(count) * 2.0 ** -(len(maps) - 1) * total.max()


def main():
    program = sys.argv[1]
    depth = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    width = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    rng = np.random.default_rng(7)
    widths = [10, *[width] * depth, 10]
    maps = [rng.standard_normal((m, n)) / np.sqrt(n) for n, m in itertools.pairwise(widths)]
    columns = ["norm", "NumPy, five [s]", "lipbound, five [s]", "ratio", "NumPy, default set [s]"]
    columns += ["lipbound, default set [s]", "ratio", "largest difference", "not in NumPy"]
    print("| " + " | ".join(columns) + " |")
    print("| --- " * len(columns) + "|")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.npz")
        np.savez(model, **{f"{i:02}.weight": w for i, w in enumerate(maps)})
        for name, order in ORDERS.items():
            expected, of_five = timed(lambda: five(maps, order))
            common = [program, "compute", model, "--activation", "relu", "--norm", name, "--format", "json"]
            fast, _ = median_of_five([*common, "--bounds", ",".join(FIVE), "--no-lower"])
            default, report = median_of_five(common)
            found = {b["id"]: b["upper"] for b in report["reports"][0]["bounds"] if b.get("upper") is not None}
            of_set = of_five
            for bound in (k2, k_l2):
                if bound.__name__ in found:
                    expected[bound.__name__], seconds = timed(lambda: bound(maps, order))
                    of_set += seconds
            gaps = {k: found[k] / expected[k] - 1 for k in expected}
            # Kl2 is smaller where Ksdp in l2 is quick.
            gap = max(max(gap, 0) if k == "k_l2" else abs(gap) for k, gap in gaps.items())
            rest = ", ".join(sorted(set(found) - set(expected))) or "-"
            print(
                f"| {name} | {of_five:.2f} | {fast:.4f} | {of_five / fast:.0f} | {of_set:.2f} "
                f"| {default:.4f} | {of_set / default:.1f} | {gap:.1e} | {rest} |",
                flush=True,
            )


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def median_of_five(command):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[2], json.loads(done.stdout)


if __name__ == "__main__":
    main()
