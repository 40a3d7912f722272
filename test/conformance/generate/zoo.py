"""python -m generate.zoo OUT [--only REGEX] [--family torchvision|timm|hf] [--most-bytes N]

Writes whole models with calibrated random weights to OUT. They are large and are not committed. The most common models come
first. Each finished model adds a row to OUT/index.json. OUT/skipped.json lists the models that PyTorch could not archive.
"""

import argparse
import json
import os
import re
import sys
import time
import warnings

import torch

from generate import zoo_hf, zoo_timm, zoo_torchvision
from generate.calibrate import calibrate
from generate.case import Case, write_case, write_index

FAMILIES = {"torchvision": zoo_torchvision.models, "hf": zoo_hf.models, "timm": zoo_timm.models}


def used_bytes(folder):
    return sum(entry.stat().st_size for entry in os.scandir(folder))


def finished(folder):
    path = os.path.join(folder, "index.json")
    if not os.path.exists(path):
        return set()
    with open(path) as file:
        return {row["name"] for row in json.load(file)}


def write_model(model, how, folder):
    """Write one model, traced or scripted. A trace that accepts only its own batch size keeps one call."""
    name = f"{model.name}_script" if how == "script" else model.name

    def make():
        module = model.make(how)
        calibrate(module, lambda: model.args(6))
        return module

    error = None
    for batches, batch in (((1, 3), "dynamic"), ((1,), "locked:1")):
        calls = lambda batches=batches: [model.args(size) for size in batches]
        case = Case(name, make, calls, how, batch=batch, reference=True, strict=False)
        try:
            row = write_case(case, folder)
            return row | {"family": model.family, "note": str(error).strip().splitlines()[-1][:200] if error else ""}
        except RuntimeError as failure:
            if how == "script" or error or "hardly" in str(failure):
                raise
            error = failure
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--only", default="")
    parser.add_argument("--family", choices=sorted(FAMILIES))
    parser.add_argument("--most-bytes", type=float, default=12e9)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    os.makedirs(options.out, exist_ok=True)
    only, done, skipped = re.compile(options.only), finished(options.out), {}
    for family in [options.family] if options.family else FAMILIES:
        for model in FAMILIES[family]():
            for how in model.ways:
                name = f"{model.name}_script" if how == "script" else model.name
                if not only.search(name) or name in done:
                    continue
                if used_bytes(options.out) > options.most_bytes:
                    sys.exit("the folder is full")
                started = time.monotonic()
                try:
                    write_index(options.out, [write_model(model, how, options.out)])
                    print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)
                except Exception as error:  # what PyTorch cannot archive is listed, the rest goes on
                    skipped[name] = f"{type(error).__name__}: {str(error).strip()[-300:]}"
                    for ending in (".pt", ".safetensors"):
                        if os.path.exists(os.path.join(options.out, name + ending)):
                            os.remove(os.path.join(options.out, name + ending))
                    print(f"SKIPPED {name}: {skipped[name]}", flush=True)
                    with open(os.path.join(options.out, f"skipped-{family}.json"), "w") as file:
                        json.dump(skipped, file, indent=1)


if __name__ == "__main__":
    main()
