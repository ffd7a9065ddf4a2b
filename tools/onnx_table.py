#!/usr/bin/env python3
"""Compares the table of ONNX operators in src/io/onnx/table.rs with the documents of ONNX (development only).

    pip install onnx
    python tools/onnx_table.py

For every operator: the versions from the one that is in force in opset 7 on, each with its numbers of operands and
results and its attributes. Every operator of ONNX is in the table, among those that are refused with a reason, or in
the list of the others (src/io/onnx/refused.rs).
"""

import os
import re
import sys

from onnx import defs

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/io/onnx")
OLDEST = 7


def text(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def number(n):
    return "MANY" if n > 10**6 else str(n)


def documents(schemas):
    """Version -> operands, results and attributes, as the table writes them."""
    versions = {}
    for schema in sorted(schemas, key=lambda s: s.since_version):
        names = (name + "!" * a.required for name, a in schema.attributes.items() if name != "consumed_inputs")
        limits = f"{schema.min_input}, {number(schema.max_input)}, {number(schema.max_output)}"
        versions[schema.since_version] = f'{limits}, "{" ".join(sorted(names))}"'
    first = max((v for v in versions if v <= OLDEST), default=0)
    return {since: signature for since, signature in versions.items() if since >= first}


def main():
    table, refused = text("table.rs"), text("refused.rs")
    faults = []
    checked = int(re.search(r"CHECKED: i64 = (\d+)", table).group(1))
    if checked != defs.onnx_opset_version():
        faults.append(f"checked up to opset {checked}, but onnx has {defs.onnx_opset_version()}")
    history, current = {}, set()
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            history.setdefault(schema.name, []).append(schema)
    for schema in defs.get_all_schemas():
        if schema.domain == "":
            current.add(schema.name)
    rows = re.findall(r'row\("(\w+)", [\w:]+, [\w:]+, &\[(.*)\]\),', table)
    for name, row in rows:
        found = {}
        for since, signature in re.findall(r'v\(&\[([\d, ]+)\], (\d+, \w+, \w+, "[^"]*")\)', row):
            found.update({int(n): signature for n in since.split(",")})
        expected = documents(history[name])
        faults.extend(
            f"{name} version {since}: found {found.get(since)}, expected {expected.get(since)}"
            for since in sorted(found.keys() | expected.keys())
            if found.get(since) != expected.get(since)
        )
    named = {name for name, _ in rows} | set(re.findall(r'"([A-Z]\w+)"', refused))
    faults.extend(f"{name} is an operator of ONNX and not named" for name in sorted(current - named))
    faults.extend(f"{name} is no operator of ONNX" for name in sorted(named - current - set(history)))
    print(
        f"{len(rows)} operators with {sum(len(documents(history[n])) for n, _ in rows)} versions, up to opset {checked}"
    )
    sys.exit("\n".join(faults) or None)


if __name__ == "__main__":
    main()
