"""PyTorch files of all protocols, written by Python's own pickler: the weights that the program reads are those that
NumPy takes from the storages, in each way in which `torch.save` describes a tensor."""

import collections
import io
import json
import pickle
import sys
import types
import unittest
import zipfile
from unittest import mock

import numpy as np

from .support import InFolder, command

REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter")
TYPES = {"<f2": ("HalfStorage", "float16"), "<f4": ("FloatStorage", "float32"), "<f8": ("DoubleStorage", "float64")}


class Name:
    """Is pickled as a name in a module, as functions and types are."""

    def __init__(self, module, name):
        self.__module__, self.name = module.__name__, name
        setattr(module, name, self)

    def __reduce__(self):
        return self.name

    def __call__(self):
        """The pickler asks for something that can be called; it calls nothing."""


class Call:
    """Is pickled as the call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Storage:
    def __init__(self, key, kind, numbers):
        self.key, self.kind, self.numbers = key, kind, numbers
        self.length = numbers.nbytes if kind.name == "UntypedStorage" else numbers.size


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", value.kind, value.key, "cuda:0", value.length)
        return None


class Pickles(InFolder):
    def setUp(self):
        super().setUp()
        modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils", "torch.storage")}
        patched = mock.patch.dict(sys.modules, modules)
        patched.start()
        self.addCleanup(patched.stop)
        torch, utils, storage = modules.values()
        self.rebuild = {name: Name(utils, name) for name in REBUILD}
        self.names = {name: Name(torch, name) for pair in TYPES.values() for name in pair}
        self.names["UntypedStorage"] = Name(storage, "UntypedStorage")

    def tensor(self, key, shape, random):
        """The storage, a tensor in it with random strides and marks, and its entries."""
        rows, columns = shape
        dtype = random.choice(list(TYPES))
        strides = [(columns, 1), (1, rows), (columns + 1, 1), (0, 1), (1, 0)][random.integers(5)]
        last = (rows - 1) * strides[0] + (columns - 1) * strides[1]
        offset = int(random.integers(4))
        numbers = random.standard_normal(offset + last + 1 + random.integers(3)).astype(dtype)
        places = offset + np.arange(rows)[:, None] * strides[0] + np.arange(columns) * strides[1]
        entries = numbers[places].astype(float)
        version, negative = random.integers(1, 4), bool(random.integers(2))
        kind, number_type = (self.names[name] for name in TYPES[dtype])
        if version == 3 and random.integers(4):
            kind = self.names["UntypedStorage"]
        storage = Storage(key, kind, numbers)
        arguments = [storage, offset, shape, strides]
        if version > 1:
            arguments += [False, collections.OrderedDict()]
            arguments += [number_type] if version == 3 else []
            arguments += [{"neg": True}] if negative else [[], [None], [{}]][random.integers(3)]
            entries = -entries if negative else entries
        tensor = Call(self.rebuild["_rebuild_tensor" + ["", "_v2", "_v3"][version - 1]], *arguments)
        if random.integers(2):
            tensor = Call(self.rebuild["_rebuild_parameter"], tensor, True, collections.OrderedDict())
        return storage, tensor, entries

    def file(self, value, storages, protocol, order):
        pickled, archive = io.BytesIO(), io.BytesIO()
        Pickler(pickled, protocol).dump(value)
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("m/data.pkl", pickled.getvalue())
            file.writestr("m/byteorder", order)
            for storage in storages:
                dtype = storage.numbers.dtype.newbyteorder(">" if order == "big" else "<")
                file.writestr(f"m/data/{storage.key}", storage.numbers.astype(dtype).tobytes())
        return archive.getvalue()

    def test_weights_are_those_of_the_storages(self):
        for seed in range(60):
            random = np.random.default_rng(seed)
            widths = [int(width) for width in random.integers(1, 5, size=3)]
            found = [self.tensor(str(i), (widths[i + 1], widths[i]), random) for i in range(2)]
            named = collections.OrderedDict((f"{i}.weight", tensor) for i, (_, tensor, _) in enumerate(found))
            if random.integers(2):
                named._metadata = {"": {"version": 1}}
            value = {"epoch": 3, "state_dict": named, "lr": 0.1, "big": 10**30} if random.integers(2) else named
            protocol, order = int(random.integers(2, 6)), ["little", "big"][random.integers(2)]
            contents = self.file(value, [storage for storage, _, _ in found], protocol, order)
            (self.folder / "m.pt").write_bytes(contents)
            with self.subTest(seed=seed, protocol=protocol, order=order):
                done = command("lipbound", "convert", "m.pt", "m.json", "--activation", "relu")
                self.assertEqual(done.returncode, 0, done.stderr)
                layers = json.loads((self.folder / "m.json").read_text())["layers"]
                for layer, (_, _, entries) in zip(layers[::2], found, strict=True):
                    np.testing.assert_array_equal(np.array(layer["weight"]), entries)


if __name__ == "__main__":
    unittest.main()
