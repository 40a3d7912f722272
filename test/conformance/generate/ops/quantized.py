"""Quantized models: dynamic, static and fake quantization.

Both sides round to the same steps. An element that lies between two steps may be rounded to either, so a static case allows one
step of its output's scale.
"""

import warnings

import torch
import torch.ao.quantization as quantization
import torch.nn as nn

from generate.case import Family

family = Family("quantized")
r = torch.randn
warnings.filterwarnings("ignore", module="torch.ao")


def dynamic(build, dtype=torch.qint8):
    """The module with its linear layers quantized dynamically."""
    return lambda: quantization.quantize_dynamic(build().eval(), {nn.Linear}, dtype=dtype)


def both(name, make, calls, **options):
    """Register the module traced and scripted."""
    family.add(name, make, calls, how="both", **options)


both("dynamic_mlp", dynamic(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))), lambda: [(r(2, 4),), (r(5, 4),)])
both("dynamic_ranks", dynamic(lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh())), lambda: [(r(2, 3, 6),), (r(4, 1, 6) * 30,)])
both("dynamic_no_bias", dynamic(lambda: nn.Sequential(nn.Linear(7, 16, bias=False))), lambda: [(r(3, 7).abs() + 2,), (-r(1, 7).abs(),)])
both("dynamic_zeros", dynamic(lambda: nn.Sequential(nn.Linear(4, 3))), lambda: [(torch.zeros(2, 4),), (r(3, 4) * 1e-4,)])
both("dynamic_half", dynamic(lambda: nn.Sequential(nn.Linear(9, 4), nn.GELU()), torch.float16), lambda: [(r(2, 9),), (r(6, 9),)])


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(16), nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(self.norm(x))))


both("dynamic_block", dynamic(Residual), lambda: [(r(1, 5, 16),), (r(3, 2, 16),)])


def per_channel():
    """Weights with one scale for each output channel."""
    config = quantization.QConfig(
        activation=quantization.default_dynamic_quant_observer, weight=quantization.default_per_channel_weight_observer
    )
    return quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 6)).eval(), {nn.Linear: config})


both("dynamic_per_channel", per_channel, lambda: [(r(2, 8),), (r(7, 8),)])


def static(build, example, backend="x86", fuse=()):
    """The module between quantization and dequantization, calibrated with `example`."""

    def make():
        wrapped = quantization.QuantWrapper(build()).eval()
        wrapped.qconfig = quantization.get_default_qconfig(backend)
        if fuse:
            quantization.fuse_modules(wrapped.module, [list(fuse)], inplace=True)
        prepared = quantization.prepare(wrapped)
        for _ in range(4):
            prepared(example())
        return quantization.convert(prepared)

    return make


STEP = {"rtol": 0.02, "atol": 0.0}
AGREES = {"tolerance": STEP, "note": "one step of the output's scale is up to 1/64 of its largest element"}


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.relu, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, groups=2)

    def forward(self, x):
        return self.second(self.relu(self.first(x)))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.linear = nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.linear(torch.flatten(self.pool(x), 1))


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(6, 4), nn.Linear(6, 4)
        self.add, self.mul, self.cat = (torch.ao.nn.quantized.FloatFunctional() for _ in range(3))
        self.add_relu = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x):
        a, b = self.left(x), self.right(x)
        both = self.cat.cat([self.add.add(a, b), self.mul.mul(a, b)], 1)
        return self.add_relu.add_relu(both, both)


both("static_linear", static(lambda: nn.Sequential(nn.Linear(6, 4)), lambda: r(64, 6)), lambda: [(r(2, 6),), (r(9, 6),)], **AGREES)
both("static_mlp", static(lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4)), lambda: r(64, 6), fuse=("0", "1")), lambda: [(r(2, 6),), (r(5, 6),)], **AGREES)
both("static_qnnpack", static(lambda: nn.Sequential(nn.Linear(6, 4)), lambda: r(64, 6), "qnnpack"), lambda: [(r(2, 6),), (r(9, 6),)], **AGREES)
both("static_conv", static(Convolutions, lambda: r(2, 3, 12, 12), fuse=("first", "relu")), lambda: [(r(1, 3, 12, 12),), (r(3, 3, 12, 12),)], **AGREES)
both("static_head", static(Head, lambda: r(2, 3, 16, 16)), lambda: [(r(1, 3, 16, 16),), (r(3, 3, 16, 16),)], **AGREES)
both("static_joined", static(Joined, lambda: r(64, 6)), lambda: [(r(2, 6),), (r(5, 6),)], **AGREES)
both("static_conv1d", static(lambda: nn.Sequential(nn.Conv1d(3, 4, 3, dilation=2)), lambda: r(4, 3, 16)), lambda: [(r(2, 3, 16),), (r(1, 3, 16),)], **AGREES)
both("static_sigmoid", static(lambda: nn.Sequential(nn.Linear(5, 4), nn.Sigmoid()), lambda: r(64, 5)), lambda: [(r(2, 5),), (r(4, 5),)], **AGREES)


@family("fake_quantize", lambda: [(r(3, 4),), (r(5, 4) * 20,)], how="both")
class FakeQuantize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor([0.1, 0.2, 0.05, 0.3]))
        self.register_buffer("zero", torch.tensor([0, 3, -2, 0], dtype=torch.int32))

    def forward(self, x):
        whole = torch.fake_quantize_per_tensor_affine(x, 0.0625, 3, 0, 255)
        return whole, torch.fake_quantize_per_channel_affine(x, self.scale, self.zero, 1, -128, 127)


@family("codes", lambda: [(r(3, 4),), (r(2, 4) * 20,)], how="both")
class Codes(nn.Module):
    def forward(self, x):
        q = torch.quantize_per_tensor(x, 0.0625, 10, torch.quint8)
        s = torch.quantize_per_tensor(x, 0.125, 0, torch.qint8)
        return q.int_repr(), s.int_repr(), q.dequantize(), torch.relu(s).dequantize(), q.reshape(-1).dequantize()


@family("weight", lambda: [(r(3),), (r(2, 3),)], how="both")
class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8))
        scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 5, -3])
        self.register_buffer("c", torch.quantize_per_channel(torch.randn(3, 2), scales, zeros, 0, torch.qint8))

    def forward(self, x):
        return x * self.w.dequantize(), x @ self.c.dequantize()


def embedding(build):
    """A table with 8 bits for each number and one scale for each entry."""

    def make():
        module = build().eval()
        module.qconfig = quantization.float_qparams_weight_only_qconfig
        return quantization.convert(quantization.prepare(nn.Sequential(module).eval()))

    return make


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(12, 8, mode="sum", include_last_offset=True)

    def forward(self, indices, offsets):
        return self.bag(indices, offsets)


def ids(*shape):
    return torch.randint(0, 12, shape)


def bags():
    """The same as `embedding`, for a module that holds the table."""
    module = Bag().eval()
    module.bag.qconfig = quantization.float_qparams_weight_only_qconfig
    return quantization.convert(quantization.prepare(module))


both("embedding", embedding(lambda: nn.Embedding(12, 8)), lambda: [(ids(4),), (ids(7),)])
both("embedding_bags", bags, lambda: [(ids(6), torch.tensor([0, 2, 6])), (ids(5), torch.tensor([0, 0, 3, 5]))])
