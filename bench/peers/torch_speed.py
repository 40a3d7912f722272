"""How fast PyTorch alone runs the served models, eager and TorchScript, at several settings.

    python torch_speed.py FOLDER [--only mlp,encoder] [--forms eager,torchscript] [--threads 1,2] [--batches 1,2,4,…]
                                 [--seconds 0.5] > torch.json

FOLDER is what `export_models.py FOLDER --served` wrote. JSON on stdout:

    {"torch": "2.13.0+cpu", "models": {"mlp": {"eager": {
        "runs": [{"threads": 1, "batch": 1, "ms": 0.03, "rowsPerSecond": 35000}, …],
        "batch1": {…the fastest of them at batch 1…}, "best": {…the one with the most rows/s…}}, "torchscript": {…}, …}}}

The forms are `peer_arguments.FORMS`; eager's figure is the better of the `eager…` ones, TorchScript's of the other two.
`ms` is the median of the runs that fit into `--seconds` (at least 3). For runs interleaved with another program's:

    python torch_speed.py FOLDER --follow

then one line of JSON on stdin is one measurement, and one line of JSON on stdout its answer:

    {"model": "mlp", "form": "eager", "threads": 1, "batch": 8, "seconds": 0.2}  ->  {"ms": …, "rowsPerSecond": …, …}
"""
import argparse
import json
import statistics
import sys
import time

import torch

import peer_models
from peer_arguments import FORMS, forms_of

FEWEST_RUNS = 3
MOST_RUNS = 2000
# The first runs of each shape are TorchScript's profile and its optimisation.
WARM_UP_RUNS = 4


class Models:
    """Loaded models and their inputs, kept: measurements may alternate."""

    def __init__(self, folder):
        self.folder, self.models = folder, {}

    def get(self, name, form):
        if (name, form) not in self.models:
            self.models[name, form] = peer_models.load(name, self.folder, form)
        return self.models[name, form]


def measure(models, model, form, threads, batch, seconds):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    module, rows = models.get(model, form), peer_models.example(model, batch)
    with torch.inference_mode():
        for _ in range(WARM_UP_RUNS):
            module(rows)
        times, end = [], time.perf_counter() + seconds
        while len(times) < FEWEST_RUNS or (time.perf_counter() < end and len(times) < MOST_RUNS):
            started = time.perf_counter()
            module(rows)
            times.append(time.perf_counter() - started)
    median = statistics.median(times)
    return {"threads": threads, "batch": batch, "ms": round(median * 1e3, 4), "rowsPerSecond": round(batch / median, 1)}


def sweep(models, name, form, options):
    runs = []
    for threads in options.threads:
        for batch in options.batches:
            runs.append(measure(models, name, form, threads, batch, options.seconds))
    singles = [run for run in runs if run["batch"] == 1]
    return {"runs": runs, "batch1": min(singles, key=lambda run: run["ms"], default=None),
            "best": max(runs, key=lambda run: run["rowsPerSecond"])}


def follow(models):
    for line in sys.stdin:
        print(json.dumps(measure(models, **json.loads(line))), flush=True)


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(peer_models.SERVED))
    parser.add_argument("--forms", type=lambda text: text.split(","), default=list(FORMS))
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--follow", action="store_true")
    options = parser.parse_args()
    models = Models(options.models)
    if options.follow:
        return follow(models)
    # One model at a time, its forms one after the other, so that compared figures are measured close together.
    report = {}
    for name in options.only:
        forms = [form for form in options.forms if form in forms_of(name)]
        report[name] = {form: sweep(models, name, form, options) for form in forms}
    json.dump({"torch": torch.__version__, "models": report}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
