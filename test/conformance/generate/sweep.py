"""python -m generate.sweep CASES FOLDER: add PyTorch's answers to the mutated calls in FOLDER/FAMILY/NAME.in.safetensors.

`npm run sweep` writes these files and calls this program. Each archive is loaded in a process of its own, which may die.
"""

import json
import os
import signal
import sys
import warnings

import torch
from safetensors.torch import load_file

from generate.tensors import flatten, save_safetensors

MOST_SECONDS = 60


def build(form, tensors):
    """The argument that `form` describes, made of the next tensors."""
    if isinstance(form, dict):
        return {key: build(item, tensors) for key, item in form.items()}
    if isinstance(form, list):
        return [build(item, tensors) for item in form]
    if form == "none":
        return None
    if form.startswith("str:"):
        return form[4:]
    tensor = next(tensors)
    return tensor if form == "tensor" else tensor.item()


def answer(archive, path, forms, count):
    """Run all calls of an archive and write its outputs and its messages."""
    module, given = torch.jit.load(archive), load_file(path + ".in.safetensors")
    outputs, raised = {}, {}
    for k in range(count):
        inputs = [given[f"{k}.in.{i}"] for i in range(sum(name.startswith(f"{k}.in.") for name in given))]
        try:
            with torch.no_grad():
                parts = iter(inputs)
                results = flatten(module(*[build(form, parts) for form in forms]))
            outputs |= {f"{k}.out.{j}": result.detach().clone() for j, result in enumerate(results)}
            raised[k] = None
        except Exception as error:
            raised[k] = str(error).strip().splitlines()[-1]
        with open(path + ".json.part", "w") as file:
            json.dump(raised, file)
    save_safetensors(outputs, path + ".out.safetensors")
    os.replace(path + ".json.part", path + ".json")


def main():
    cases, folder = sys.argv[1:]
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    with open(os.path.join(folder, "calls.json")) as file:
        rows = json.load(file)
    for name, forms, count in rows:
        child = os.fork()
        if child == 0:
            signal.alarm(MOST_SECONDS)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of PyTorch's own code
            try:
                answer(os.path.join(cases, name + ".pt"), os.path.join(folder, name), forms, count)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


main()
