"""A case: a module, the way it is archived, and calls with PyTorch's results."""

import copy
import dataclasses
import json
import os
import sys
import warnings
import zlib
from typing import Any, Callable, List, Optional

import torch

from generate import archive
from generate.tensors import copy_value, flatten, save_safetensors, structure

MOST_NOISE = 2e-2


@dataclasses.dataclass
class Case:
    """`make` builds the module and `calls` the argument tuples. Both run after the case's own seed is set."""

    name: str
    make: Callable[[], torch.nn.Module]
    calls: Callable[[], List[tuple]]
    how: str  # trace | script
    example: Optional[Callable[[], tuple]] = None  # traced with; the first call when not given
    batch: Optional[str] = None  # dynamic | none | locked:N
    tolerance: Optional[dict] = None
    note: str = ""
    grad: bool = False  # trace with autograd on: PyTorch then takes its unfused paths
    reference: bool = False  # also keep the float64 run of the same module
    stateful: bool = False  # calls are made in order on one loaded module
    random: bool = False  # values are random: only shapes and dtypes may be compared
    strict: bool = True  # as torch.jit.trace: false allows dict results
    freeze: bool = False  # torch.jit.freeze before saving
    refused: bool = False  # PyTorch runs it, a compiler to ONNX has to refuse it by name; no calls are kept
    train: bool = False  # saved in training mode
    debug: str = "drop"
    prepare: Optional[Callable[[torch.nn.Module], None]] = None


class Family:
    """The cases of one family; `@family(...)` on a module class registers it."""

    def __init__(self, name):
        self.name = name
        self.cases: List[Case] = []

    def __call__(self, name, calls, how="trace", args=(), **options):
        """`how` is `trace`, `script` or `both`; with `both` the scripted case is named NAME_script."""

        def register(module_class):
            for way in ("trace", "script") if how == "both" else (how,):
                case_name = f"{name}_script" if how == "both" and way == "script" else name
                self.cases.append(Case(case_name, lambda: module_class(*args), calls, way, **options))
            return module_class

        return register

    def add(self, name, make, calls, how="trace", **options):
        """Register a module that needs no class of its own."""
        self(name, calls, how, **options)(make)


def require_fixed_hashing():
    """PyTorch writes a module's constants in the order of a set, which Python's hash seed decides."""
    if sys.flags.hash_randomization:
        sys.exit("set PYTHONHASHSEED=0, so that the same files are written every time")


def clear_compiled_classes():
    """Forget compiled classes, so that a case's mangled names do not depend on the cases before it."""
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()


def compile_module(case, module, example):
    """Trace or script the module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.how == "script":
            compiled = torch.jit.script(module)
            return torch.jit.freeze(compiled) if case.freeze else compiled
        with torch.set_grad_enabled(case.grad):
            compiled = torch.jit.trace(module, copy_value(example), check_trace=False, strict=case.strict)
        return torch.jit.freeze(compiled) if case.freeze else compiled


def write_case(case, folder):
    """Write the archive and its calls; returns the case's row for index.json."""
    clear_compiled_classes()
    seed = zlib.crc32(case.name.encode())
    torch.manual_seed(seed)
    module = case.make().train(case.train)
    if case.prepare:
        case.prepare(module)
    calls = case.calls()
    example = case.example() if case.example else calls[0]
    twin = copy.deepcopy(module) if case.reference else None
    path = os.path.join(folder, f"{case.name}.pt")
    archive.save(compile_module(case, module, example), path, case.debug)
    loaded, tensors, rows = torch.jit.load(path), {}, []
    torch.manual_seed(seed)
    with torch.no_grad():
        for k, args in enumerate([] if case.refused else calls):
            rows.append(run_call(case, loaded, twin, k, args, tensors))
    save_safetensors(tensors, os.path.join(folder, f"{case.name}.safetensors"))
    row: dict[str, Any] = {"name": case.name, "how": case.how, "torch": torch.__version__.split("+")[0], "calls": rows}
    optional = {
        "batch": case.batch,
        "tolerance": case.tolerance,
        "stateful": case.stateful,
        "random": case.random,
        "refused": case.refused,
        "note": case.note,
    }
    return row | {key: value for key, value in optional.items() if value}


def run_call(case, loaded, twin, k, args, tensors):
    """Run one call, add its tensors and return its row."""
    for i, tensor in enumerate(flatten(args)):
        tensors[f"{k}.in.{i}"] = tensor.detach().clone()
    row = {"inputs": len(flatten(args)), "args": structure(args)}
    try:
        result = loaded(*copy_value(args))
    except (torch.jit.Error, RuntimeError) as error:
        if "raises" not in case.note:  # a call that fails must be announced
            raise
        return row | {"outputs": 0, "raises": str(error).strip().splitlines()[-1]}
    outputs = flatten(result)
    for j, output in enumerate(outputs):
        tensors[f"{k}.out.{j}"] = output.clone()
    row |= {"outputs": len(outputs), "result": structure(result)}
    if not case.random and not case.stateful:
        for output, again in zip(outputs, flatten(loaded(*copy_value(args)))):
            assert torch.equal(torch.nan_to_num(output), torch.nan_to_num(again)), (
                "not deterministic; mark the case random"
            )
    if twin is not None:
        noise = add_reference(twin, args, outputs, k, tensors)
        row |= {} if noise is None else {"noise": float(f"{noise:.1e}")}
    return row


def add_reference(twin, args, outputs, k, tensors):
    """Keep the float64 run of floating outputs, which decides doubtful cases. Returns the error of float32 against it,
    as a part of the largest value, or None if the module does not run in float64."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        references = flatten(twin.double()(*copy_value(args, torch.float64)))
    except RuntimeError:  # its code asks for float32 by name
        return None
    finally:
        torch.set_default_dtype(default)
    assert len(references) == len(outputs)
    noise = 0.0
    for j, (reference, output) in enumerate(zip(references, outputs)):
        tensors[f"{k}.ref.{j}"] = reference.double() if output.is_floating_point() else reference
        if output.is_floating_point():
            scale = max(1e-6, float(reference.abs().max()))
            noise = max(noise, float((reference - output).abs().max()) / scale)
    if not noise < MOST_NOISE:
        raise ValueError(f"float32 is {noise:.1e} from float64: the weights are badly conditioned")
    return noise


def write_index(folder, rows):
    """Merge rows into the folder's index.json by name. One rename makes them visible, so readers never see half a file."""
    path = os.path.join(folder, "index.json")
    known = {}
    if os.path.exists(path):
        with open(path) as file:
            known = {row["name"]: row for row in json.load(file)}
    known.update({row["name"]: row for row in rows})
    with open(path + ".part", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(known[name]) for name in sorted(known)) + "\n]\n")
    os.replace(path + ".part", path)


def write_family(family, folder, only):
    """Write the family's cases whose names match; returns the cases that failed, with their errors."""
    failed = []
    os.makedirs(folder, exist_ok=True)
    for case in family.cases:
        if only.search(f"{family.name}/{case.name}"):
            try:
                write_index(folder, [write_case(case, folder)])
            except Exception as error:  # the other cases are worth having; the run still fails at its end
                for ending in (".pt", ".safetensors"):
                    if os.path.exists(os.path.join(folder, case.name + ending)):
                        os.remove(os.path.join(folder, case.name + ending))
                failed.append((f"{family.name}/{case.name}", error))
    return failed
