"""The models that the peers serve and how each form of them is loaded: one place, so that all compare the same thing.

Every model has one input and one output with rows first. Imports are inside the functions: a peer's cold start must not
pay for what its form does not need (torchvision is slow to import, and TorchScript runs without it).
"""
import os

import torch
import torch.nn as nn

from peer_arguments import FORMS, INPUT_DTYPES, ROW_SHAPES

VOCABULARY = 2000


class Bert(nn.Module):
    """A BERT-like encoder: 4 layers of width 256, 4 heads, attention spelled out."""

    def __init__(self, layers=4, width=256, heads=4, vocabulary=VOCABULARY):
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

    def attend(self, q, k, v, bias):
        return (q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5) + bias).softmax(-1) @ v

    def forward(self, x, bias=None):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        y = self.attend(q, k, v, bias).transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.o(y))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class FusedLayer(Layer):
    """The layer with PyTorch's fused attention, the fastest form that a user would write today."""

    def attend(self, q, k, v, bias):
        return nn.functional.scaled_dot_product_attention(q, k, v)


class Encoder(nn.Module):
    """The same encoder for serving: token ids in (no padding), hidden states out."""

    def __init__(self, layers=4, width=256, heads=4, vocabulary=VOCABULARY):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList([FusedLayer(width, heads) for _ in range(layers)])

    def forward(self, ids):
        x = self.norm(self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device)))
        for layer in self.layers:
            x = layer(x)
        return x


def mlp(*widths):
    layers = [nn.Linear(widths[0], widths[1])]
    for before, after in zip(widths[1:], widths[2:]):
        layers += [nn.ReLU(), nn.Linear(before, after)]
    return nn.Sequential(*layers)


def vision(name):
    """A torchvision classifier with random weights (its C++ operators, which classifiers do not use, need not load)."""
    if not hasattr(vision, "library"):
        vision.library = torch.library.Library("torchvision", "FRAGMENT")
        vision.library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        vision.library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    return getattr(torchvision.models, name)(weights=None)


# How each served model is made.
SERVED = {
    "mlp": lambda: mlp(64, 256, 256, 10),
    "big_mlp": lambda: mlp(1024, 4096, 4096, 1000),
    "resnet18": lambda: vision("resnet18"),
    "mobilenet_v3_small": lambda: vision("mobilenet_v3_small"),
    "encoder": Encoder,
}


def example(name, rows):
    """A random input with this many rows."""
    shape = (rows, *ROW_SHAPES[name][1:])
    return torch.randint(0, VOCABULARY, shape) if INPUT_DTYPES[name] == "int64" else torch.randn(shape)


class ChannelsLast(nn.Module):
    """A vision model in the memory layout that suits the CPU's convolutions."""

    def __init__(self, module):
        super().__init__()
        self.module = module.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.module(x.contiguous(memory_format=torch.channels_last))


def load(name, folder, form):
    """The model as it would be served, in one of `peer_arguments.FORMS`."""
    if form not in FORMS:
        raise ValueError(f"no form {form!r}; there are {', '.join(FORMS)}")
    place = os.path.join(folder, name)
    if form.startswith("torchscript"):
        frozen = torch.jit.freeze(torch.jit.load(os.path.join(place, "model.pt")).eval())
        return frozen if form == "torchscript-frozen" else torch.jit.optimize_for_inference(frozen)
    from safetensors.torch import load_file

    module = SERVED[name]()
    module.load_state_dict(load_file(os.path.join(place, "weights.safetensors")))
    return (ChannelsLast(module) if form == "eager-channels-last" else module).eval()


def read_rows(name, body, shape):
    """A request's tensor: raw little-endian bytes and the `x-shape` header (`1,64`)."""
    dtype = getattr(torch, INPUT_DTYPES[name])
    return torch.frombuffer(bytearray(body), dtype=dtype).view([int(size) for size in shape.split(",")])


def write_rows(output):
    """An answer's bytes: raw float32."""
    return output.contiguous().numpy().tobytes()
