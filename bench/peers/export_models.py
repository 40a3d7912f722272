"""Models for the benchmarks, with seeded random weights: nothing is downloaded.

    python export_models.py OUT_DIR             for the compiler's: OUT_DIR/NAME.pt (TorchScript), NAME.export.onnx
    python export_models.py OUT_DIR --served    for serving and the peers: OUT_DIR/NAME/model.pt, model.onnx,
                                                weights.safetensors, cases.safetensors; `--only mlp,encoder` for some

Needs torch, torchvision, onnx and, for `--served`, safetensors.
"""
import argparse
import os

import torch

from peer_models import SERVED, Bert, example, vision


def image():
    return (torch.randn(1, 3, 224, 224),)


def text():
    return torch.randint(0, 2000, (1, 64)), torch.ones(1, 64, dtype=torch.int64)


COMPILED = {
    "resnet18": (lambda: vision("resnet18"), image),
    "resnet50": (lambda: vision("resnet50"), image),
    "mobilenet_v3_small": (lambda: vision("mobilenet_v3_small"), image),
    "bert": (Bert, text),
}
# Rows of the calls in cases.safetensors.
CASE_ROWS = (1, 3)


def write(model, inputs, names, axes, pt, onnx):
    torch.jit.trace(model, inputs, check_trace=False).save(pt)
    # The exporter that needs no onnxscript; it warns of its age.
    torch.onnx.export(model, inputs, onnx, input_names=names, output_names=["y"], dynamic_axes=axes, opset_version=17,
                      dynamo=False)


def export_compiled(out):
    for name, (make, inputs_of) in COMPILED.items():
        torch.manual_seed(0)
        model, inputs = make().eval(), inputs_of()
        names = ["x"] if len(inputs) == 1 else ["ids", "mask"]
        axes = {n: {0: "batch"} if len(inputs) == 1 else {0: "batch", 1: "length"} for n in names}
        write(model, inputs, names, axes, f"{out}/{name}.pt", f"{out}/{name}.export.onnx")
        print(name)


def settle(model, x):
    """Batch-norm statistics from one batch, as training leaves them: with the initial ones activations fade to nothing."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    if norms:
        model.train()(x)
    return model.eval()


def export_served(out, only):
    from safetensors.torch import save_file

    for name, make in SERVED.items():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        model, place = settle(make(), example(name, 4)), f"{out}/{name}"
        os.makedirs(place, exist_ok=True)
        axes = {"x": {0: "batch"}, "y": {0: "batch"}}
        write(model, (example(name, 2),), ["x"], axes, f"{place}/model.pt", f"{place}/model.onnx")
        save_file(model.state_dict(), f"{place}/weights.safetensors")
        cases = {}
        for call, rows in enumerate(CASE_ROWS):
            cases[f"{call}.in.0"] = x = example(name, rows)
            cases[f"{call}.out.0"] = model(x).contiguous()
        save_file(cases, f"{place}/cases.safetensors")
        print(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--served", action="store_true")
    parser.add_argument("--only", help="names, separated by commas", type=lambda text: text.split(","))
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    with torch.inference_mode():
        if options.served:
            export_served(options.out, options.only)
        else:
            export_compiled(options.out)


if __name__ == "__main__":
    main()
