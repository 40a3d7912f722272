"""Models for the compiler's benchmarks: each as TorchScript and as PyTorch's own ONNX export.

    python export_models.py OUT_DIR

Needs torch, torchvision and onnx (onnxscript too for torch.onnx's newer exporter, which is skipped without it). Weights are
random: nothing is downloaded.
"""
import os
import sys

import torch
import torch.nn as nn

# torchvision's C++ operators do not load with every PyTorch build; classification models do not use them.
_lib = torch.library.Library("torchvision", "DEF")
_lib.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_lib.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision  # noqa: E402


class Bert(nn.Module):
    """A BERT-like encoder: 4 layers of width 256, 4 heads, attention spelled out."""

    def __init__(self, layers=4, width=256, heads=4, vocabulary=2000):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList([Layer(width, heads) for _ in range(layers)])

    def forward(self, ids, mask):
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.tokens(ids) + self.positions(places))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, bias)
        return x


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, bias):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5) + bias
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.o(y))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


def image():
    return (torch.randn(1, 3, 224, 224),)


def text():
    return torch.randint(0, 2000, (1, 64)), torch.ones(1, 64, dtype=torch.int64)


MODELS = {
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), image),
    "resnet50": (lambda: torchvision.models.resnet50(weights=None), image),
    "mobilenet_v3_small": (lambda: torchvision.models.mobilenet_v3_small(weights=None), image),
    "bert": (Bert, text),
}


def main(out):
    os.makedirs(out, exist_ok=True)
    for name, (make, example) in MODELS.items():
        torch.manual_seed(0)
        model, inputs = make().eval(), example()
        with torch.no_grad():
            torch.jit.trace(model, inputs, check_trace=False).save(f"{out}/{name}.pt")
            names = ["x"] if len(inputs) == 1 else ["ids", "mask"]
            axes = {n: {0: "batch"} if len(inputs) == 1 else {0: "batch", 1: "length"} for n in names}
            torch.onnx.export(model, inputs, f"{out}/{name}.export.onnx", input_names=names, output_names=["y"],
                              dynamic_axes=axes, opset_version=17, dynamo=False)
        print(name)


if __name__ == "__main__":
    main(sys.argv[1])
