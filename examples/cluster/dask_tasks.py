"""Bounds of many models with Dask, one task for each model, then the comparison.

    python examples/cluster/dask_tasks.py reports checkpoints/*.npz
    python examples/cluster/dask_tasks.py reports model.npz --rows 10

The first one has a task for each model, the second one for each of the 10 outputs (linf only), which the
comparison joins. Without
--scheduler it starts a cluster of this machine's processors; with --scheduler ADDRESS it uses the workers of a
running one, on which lipbound and the files must be at the same places. What follows `--` goes to `lipbound
compute`. Needs the package dask[distributed].
"""

import argparse
import pathlib
import subprocess
import sys

from dask.distributed import Client, LocalCluster, as_completed


def compute(model, options):
    """One task: the report of a model as text, or an error."""
    command = ["lipbound", "compute", "--threads", "1", "--format", "json", *options, model]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def main():
    arguments = sys.argv[1:]
    more = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, more = arguments[:split], arguments[split + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=pathlib.Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rows", type=int, default=0, help="the number of outputs, to split them")
    parser.add_argument("--scheduler", help="the address of a running scheduler")
    given = parser.parse_args(arguments)
    given.reports.mkdir(parents=True, exist_ok=True)

    tasks = {}
    for model in given.models:
        name = model.replace("/", "_")
        if given.rows:
            for row in range(given.rows):
                tasks[f"{name}-output{row}"] = (model, ["--norm", "linf", "--outputs", str(row), *more])
        else:
            tasks[name] = (model, more)

    cluster = given.scheduler or LocalCluster(threads_per_worker=1, dashboard_address=None)
    written = set()
    with Client(cluster) as client:
        names = {client.submit(compute, *task, key=name): name for name, task in tasks.items()}
        for future in as_completed(names):
            name = names[future]
            if future.status == "error":
                print(f"{name}: {future.exception()}", file=sys.stderr)
                continue
            (given.reports / f"{name}.json").write_text(future.result())
            written.add(name)
    # Not what an earlier run left of a model that has failed now.
    reports = [str(given.reports / f"{name}.json") for name in tasks if name in written]
    if not reports or subprocess.run(["lipbound", "compare", *reports]).returncode != 0:
        return 1
    return 0 if len(written) == len(tasks) else 1


if __name__ == "__main__":
    sys.exit(main())
