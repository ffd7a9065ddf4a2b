"""The formulas of K*, K1, K3, K4 and K5 written down as they are defined, with NumPy, against lipbound.

K1, K4 and K5 are sums over all 2^l subsets of the l hidden layers. A ReLU network with random weights; the
time of lipbound is that of the whole program, start and reading included.

    python3 benches/subsets.py target/release/lipbound [HIDDEN_LAYERS [WIDTH]]
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
IDS = ["k_star", "k1", "k3", "k4", "k5"]


def product(maps, t, s):
    """W_{t-1} ... W_s."""
    result = maps[s]
    for w in maps[s + 1 : t]:
        result = w @ result
    return result


def straightforward(maps, order):
    """The five bounds in one norm."""

    def norm(m):
        return np.linalg.norm(m, order)

    depth = len(maps) - 1
    k1 = k4 = 0.0
    k5 = np.zeros((maps[-1].shape[0], maps[0].shape[1]))
    for count in range(depth + 1):
        for chosen in itertools.combinations(range(1, depth + 1), count):
            cuts = [0, *chosen, depth + 1]
            factors = [product(maps, t, s) for s, t in itertools.pairwise(cuts)]
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


def main():
    program = sys.argv[1]
    depth = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    width = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    rng = np.random.default_rng(7)
    widths = [10, *[width] * depth, 10]
    maps = [rng.standard_normal((m, n)) / np.sqrt(n) for n, m in itertools.pairwise(widths)]
    print("| norm | numpy [s] | lipbound, the same bounds [s] | ratio | default set [s] | ratio | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.npz")
        np.savez(model, **{f"{i:02}.weight": w for i, w in enumerate(maps)})
        for name, order in ORDERS.items():
            start = time.perf_counter()
            expected = straightforward(maps, order)
            slow = time.perf_counter() - start
            common = [program, "compute", model, "--activation", "relu", "--norm", name, "--format", "json"]
            fast, report = median_of_five([*common, "--bounds", ",".join(IDS), "--no-lower"])
            default, _ = median_of_five(common)
            found = {b["id"]: b["upper"] for b in report["reports"][0]["bounds"]}
            gap = max(abs(found[k] / expected[k] - 1) for k in IDS)
            print(
                f"| {name} | {slow:.2f} | {fast:.4f} | {slow / fast:.0f} | {default:.4f} "
                f"| {slow / default:.0f} | {gap:.1e} |"
            )


def median_of_five(command):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[2], json.loads(done.stdout)


if __name__ == "__main__":
    main()
