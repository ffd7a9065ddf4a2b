#!/usr/bin/env python3
"""Compiles all mutants of src/bounds and src/numeric into one program and runs the tests that reach them.

    run.py build FOLDER               copies the sources, drops what does not compile, builds the tests
    run.py record FOLDER [PATTERN]    which mutants each test reaches (of the tests whose names match)
    run.py lint FOLDER                which mutants are noticed without a run: see `lint`
    run.py mutants FOLDER [SECONDS]   runs the tests of each mutant that justified.txt does not explain, nearest and
                                      fastest first, up to so many seconds
    run.py table FOLDER               counts for each file, and the survivors that justified.txt does not explain

FOLDER is made and holds all that is written. A run that is interrupted goes on where it was: mutants that were
killed are not run again, the others with those tests only that are new. MUTANTS, TESTS, JOBS and PROGRAMS in the
environment: patterns of the mutants (by what `table` prints) and of the tests that are run, how many run at a time,
and which integration tests are built beside the unit tests. See docs/testing.md.
"""

import collections
import concurrent.futures
import functools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
MEMORY = 6 << 30
# Integration tests about numbers; the others are about files, commands and documents.
TESTS = ("campaign check compare conv_norm conv_parts exact gradient layers ode orders paper parts pools "
         "products references region robust sdp sdp_cli sdp_warm search streamed").split()


def load(path, default):
    return json.loads(path.read_text()) if path.exists() else default


def copy(folder):
    """Every file but those that are mutated, which the tool writes; unchanged ones keep their time."""
    files = subprocess.run(["git", "ls-files"], cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    for name in files.splitlines():
        source, target = SOURCE / name, folder / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        mutated = name.startswith(("src/bounds/", "src/numeric/")) and not name.endswith("tests.rs")
        if mutated or name == "src/lib.rs" or not source.exists():
            continue
        content = source.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)


def mutate(folder, unviable):
    """Writes the mutated files, without the code of those in `unviable`; all mutants."""
    dropped, mutants = folder / "unviable.json", folder / "mutants.json"
    dropped.write_text(json.dumps(sorted(unviable)))
    tool = folder / "tool/release/lipbound-mutants"
    subprocess.run([tool, SOURCE, folder / "tree", mutants, dropped], check=True)
    return load(mutants, [])


def build(folder):
    """Looks up the errors of the compiler; one outside of all branches drops the whole place."""
    folder.mkdir(parents=True, exist_ok=True)
    target = ["--target-dir", folder / "tool"]
    subprocess.run(["cargo", "build", "--release", "--quiet", *target], cwd=HERE, check=True)
    copy(folder)
    unviable = set(load(folder / "unviable.json", []))
    mutants = mutate(folder, unviable)
    check = ["cargo", "check", "--release", "--lib", "--message-format=json", "--target-dir", folder / "target"]
    while (run := subprocess.run(check, cwd=folder / "tree", capture_output=True, text=True)).returncode != 0:
        dropped = refused(run.stdout, [m for m in mutants if m["key"] not in unviable])
        if not dropped:
            sys.exit(run.stderr[-3000:] + "\nerrors that belong to no mutant")
        unviable |= dropped
        print(f"{len(dropped)} do not compile, {len(unviable)} in all", flush=True)
        mutants = mutate(folder, unviable)
    programs = os.environ.get("PROGRAMS", " ".join(TESTS)).split()
    names = [argument for test in programs for argument in ("--test", test)]
    command = ["cargo", "test", "--release", "--no-run", "--lib", *names, "--message-format=json", *check[-2:]]
    run = subprocess.run(command, cwd=folder / "tree", stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    programs = {m["target"]["name"]: m["executable"] for m in messages
                if m.get("executable") and m["profile"]["test"]}
    (folder / "programs.json").write_text(json.dumps(programs))


def refused(output, mutants, of_interest=lambda message: message.get("level") == "error", around=("branch", "place")):
    """The mutants in whose code, or else around whose place, the compiler has something to say."""
    places = collections.defaultdict(list)
    for mutant in mutants:
        places[mutant["file"]].append(mutant)
    dropped = set()
    for line in output.splitlines():
        message = json.loads(line).get("message") or {}
        if not of_interest(message):
            continue
        spans = sorted(message["spans"], key=lambda span: not span["is_primary"])
        found = set()
        for ranges in around:
            for span in spans:
                start, end = span["byte_start"], span["byte_end"]
                outer = [m for m in places[span["file_name"]]
                         if m[ranges]["start"] <= start and end <= m[ranges]["end"]]
                size = lambda m: m[ranges]["end"] - m[ranges]["start"]
                least = min(map(size, outer), default=0)
                found = found or {m["key"] for m in outer if size(m) == least}
        if spans and not found:
            print(message["rendered"])
        dropped |= found
    return dropped


def lint(folder):
    """Rounding to nearest is what clippy warns of where no reason stands; the unchanged code has no warnings. Every
    turned direction, but for those in rounding.rs, is noticed by tests/directions.rs, which turns them itself."""
    lint = "clippy::float_arithmetic"
    modules = [folder / "tree/src" / module / "mod.rs" for module in ("bounds", "numeric")]
    for module in modules:
        # Warnings as such are off in the copy.
        module.write_text(module.read_text().replace(f"warn({lint})", f"deny({lint})"))
    command = ["cargo", "clippy", "--release", "--lib", "--message-format=json", "--target-dir", folder / "target",
               "--", "--cap-lints=warn"]
    run = subprocess.run(command, cwd=folder / "tree", stdout=subprocess.PIPE, text=True, check=True)
    mutants = [m for m in load(folder / "mutants.json", []) if m["kind"] == "rounding"]
    found = refused(run.stdout, mutants, lambda message: (message.get("code") or {}).get("code") == lint,
                    around=["branch"])
    turned = re.compile(r"^(?!src/numeric/rounding).*: (\w+)_(up|down)\(\) -> \1_(up|down) ")
    noticed = {m["key"]: "directions" for m in mutants if turned.search(m["key"])} | dict.fromkeys(found, lint)
    done = {key for key, result in results_of(folder).items() if result["killed"]}
    with open(folder / "results.jsonl", "a") as out:
        for key in sorted(noticed.keys() - done):
            out.write(json.dumps({"key": key, "killed": noticed[key], "tests": [], "left": 0}) + "\n")
    print(f"{len(noticed)} mutants")


def execute(folder, program, test, seconds, **more):
    """Whether a test passes within so many seconds of the processor, or ten times that by the clock."""
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    fixed = {"LIPBOUND_CASES": "40", "PROPTEST_CASES": "60", "PROPTEST_RNG_SEED": "1", "RAYON_NUM_THREADS": "1"}
    environment = fixed | os.environ | more
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    child = subprocess.Popen([program, "--exact", test, "--test-threads=1"], cwd=folder / "tree",
                             env=environment, preexec_fn=limit, start_new_session=True, **silent)
    try:
        return child.wait(10 * seconds + 10) == 0
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return False


def record(folder, pattern="", longest=20.0):
    """The clean time of each test and the places that it reaches; tests that fail or take long are left out."""
    tests = load(folder / "tests.json", {})
    for stem, program in load(folder / "programs.json", {}).items():
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
        names = [name for name in re.findall(r"^(.*): test$", listed, re.M) if re.search(pattern, f"{stem} {name}")]
        for name in names:
            file = folder / "reached"
            file.unlink(missing_ok=True)
            passed = execute(folder, program, name, 4 * longest, LIPBOUND_MUTANT_RECORD=str(file))
            begin = time.monotonic()
            passed = passed and execute(folder, program, name, longest)
            seconds = time.monotonic() - begin
            tests.pop(f"{stem} {name}", None)
            if not passed:
                print(f"left out: {stem} {name}", flush=True)
                continue
            reached = sorted(set(map(int, file.read_text().split()))) if file.exists() else []
            tests[f"{stem} {name}"] = {"program": program, "name": name, "seconds": seconds, "reached": reached}
        (folder / "tests.json").write_text(json.dumps(tests))
        print(f"{stem}: {len(names)} tests", flush=True)


def nearness(mutant, key):
    """1 for a test in the mutant's own module, 2 in its folder, 4 elsewhere."""
    program, name = key.split(" ", 1)
    module = mutant["file"].removeprefix("src/").removesuffix(".rs").removesuffix("/mod").replace("/", "::")
    if program == "lipbound" and name.startswith(module + "::"):
        return 1
    return 2 if program == "lipbound" and name.startswith(module.rsplit("::", 1)[0] + "::") else 4


def results_of(folder):
    path = folder / "results.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return {result["key"]: result for result in map(json.loads, lines)}


def run_mutants(folder, most=5.0):
    unviable = set(load(folder / "unviable.json", []))
    tests, results = load(folder / "tests.json", {}), results_of(folder)
    only, wanted = (re.compile(os.environ.get(name, "")) for name in ("MUTANTS", "TESTS"))
    reaching = collections.defaultdict(list)
    for key, test in tests.items():
        for first in test["reached"] if wanted.search(key) else ():
            reaching[first].append(key)
    lock, killers = threading.Lock(), {}

    def one(mutant):
        old = results.get(mutant["key"])
        done = set(old["tests"]) if old else set()
        # What killed the last mutant of the same function comes first.
        order = sorted((key for key in reaching[mutant["first"]] if key not in done),
                       key=lambda key: (killers.get(mutant["function"]) != key,
                                        tests[key]["seconds"] * nearness(mutant, key)))
        killed, spent, ran = None, 0.0, []
        for key in order:
            test = tests[key]
            if spent + test["seconds"] > most:
                continue
            spent += test["seconds"]
            ran.append(key)
            if not execute(folder, test["program"], test["name"], 2 + 8 * test["seconds"],
                           LIPBOUND_MUTANT=str(mutant["id"])):
                killed = killers[mutant["function"]] = key
                break
        if old and not ran:
            return
        result = {"key": mutant["key"], "killed": killed, "tests": sorted(done | set(ran)),
                  "left": 0 if killed else len(order) - len(ran)}
        with lock, open(folder / "results.jsonl", "a") as out:
            out.write(json.dumps(result) + "\n")

    waiting = [m for m in load(folder / "mutants.json", []) if only.search(m["key"]) and m["key"] not in unviable
               and not justified(m["key"]) and not (results.get(m["key"]) or {}).get("killed")]
    # Survivors first; in a random order, so that a run that is stopped is a sample.
    random.Random(1).shuffle(waiting)
    waiting.sort(key=lambda mutant: mutant["key"] not in results)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        for count, _ in enumerate(pool.map(one, waiting), 1):
            if count % 100 == 0 or count == len(waiting):
                print(f"{count} of {len(waiting)}, {time.monotonic() - begin:.0f} s", flush=True)


@functools.cache
def justified_patterns():
    """Patterns of the keys of mutants that no test has to notice; the reasons stand beside them."""
    lines = (HERE / "justified.txt").read_text().splitlines()
    return [re.compile(line.split("  ")[0]) for line in lines if line and not line.startswith("#")]


def justified(key):
    return any(pattern.search(key) for pattern in justified_patterns())


def table(folder):
    unviable, results = set(load(folder / "unviable.json", [])), results_of(folder)
    rows, survivors = collections.defaultdict(lambda: [0] * 5), []
    for mutant in load(folder / "mutants.json", []):
        result = results.get(mutant["key"])
        if mutant["key"] in unviable:
            continue
        row = rows[mutant["file"]]
        row[0] += 1
        killed = result and result["killed"]
        if not killed and justified(mutant["key"]):
            row[2] += 1
        elif result:
            row[1 if killed else 3] += 1
            if not killed:
                survivors.append((mutant, result))
        else:
            row[4] += 1
    print("| file | mutants | noticed | justified | left | not run |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for file, row in [*rows.items(), ("all", [sum(column) for column in zip(*rows.values())])]:
        print(f"| {file} | " + " | ".join(map(str, row)) + " |")
    for mutant, result in survivors:
        more = f', {result["left"]} not run' if result["left"] else ""
        print(f'{mutant["line"]}:{mutant["column"]} {mutant["key"]} [{len(result["tests"])} tests{more}]')


if __name__ == "__main__":
    commands = {"build": build, "record": record, "lint": lint, "mutants": run_mutants, "table": table}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    more = [float(a) if sys.argv[1] == "mutants" else a for a in sys.argv[3:]]
    commands[sys.argv[1]](Path(sys.argv[2]).resolve(), *more)
