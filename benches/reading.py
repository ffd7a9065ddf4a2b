"""How long lipbound takes to read a large file and to sum its rows up (K* in linf), against reading it alone.

Random dense layers of 1 GB in all, as NPZ and safetensors, in 64 and 32 bits; 32-bit numbers become 64-bit ones.
The files are in the cache of the system. Medians of five runs, in turns.

    python3 benches/reading.py target/release/lipbound [LAYERS]
"""

import json
import multiprocessing
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIZE = 1 << 30


def write_npz(path, arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def write_safetensors(path, arrays):
    header, offset = {}, 0
    for name, a in arrays.items():
        dtype = {8: "F64", 4: "F32"}[a.itemsize]
        header[name] = {"dtype": dtype, "shape": a.shape, "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            file.write(a.tobytes())


def read(path):
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def compute(program, path):
    """Peak memory in bytes."""
    command = [program, "compute", path, "--activation", "relu", "--norm", "linf"]
    command += ["--bounds", "k_star", "--no-lower", "--memory-limit", "100GB"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
    return usage.ru_maxrss * 1024


def timed(f, *arguments):
    start = time.perf_counter()
    result = f(*arguments)
    return time.perf_counter() - start, result


def write_files(files, dtype, layers):
    rng = np.random.default_rng(1)
    width = int((SIZE / layers / np.dtype(dtype).itemsize) ** 0.5)
    arrays = {f"{i}.weight": rng.standard_normal((width, width), dtype=dtype) for i in range(layers)}
    write_npz(files["npz"], arrays)
    write_safetensors(files["safetensors"], arrays)


def main():
    program = sys.argv[1]
    layers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print("| file | reading [s] | lipbound [s] | memory / file |")
    print("| --- | --- | --- | --- |")
    for dtype in (np.float64, np.float32):
        with tempfile.TemporaryDirectory() as folder:
            files = {ending: Path(folder, f"model.{ending}") for ending in ("npz", "safetensors")}
            # In a process of its own: the system counts the largest memory of this one for its children, too.
            writer = multiprocessing.Process(target=write_files, args=(files, dtype, layers))
            writer.start()
            writer.join()
            for ending, path in files.items():
                runs = [(timed(read, path), timed(compute, program, path)) for _ in range(5)]
                reading = sorted(run[0][0] for run in runs)[2]
                ours = sorted(run[1][0] for run in runs)[2]
                memory = max(run[1][1] for run in runs) / path.stat().st_size
                name = f"{ending}, {8 * np.dtype(dtype).itemsize} bits"
                print(f"| {name} | {reading:.2f} | {ours:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
