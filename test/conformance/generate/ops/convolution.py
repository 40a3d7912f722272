"""Convolutions of one, two and three dimensions, and transposed."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("convolution")


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("conv1d", normal((1, 4, 9), (3, 4, 14)), how="both", batch="dynamic")
class Conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.Conv1d(4, 3, 3)
        self.strided = nn.Conv1d(4, 2, 4, stride=2, padding=1, bias=False)
        self.dilated = nn.Conv1d(4, 4, 3, dilation=2, padding=2, groups=2)
        self.depthwise = nn.Conv1d(4, 8, 3, groups=4)
        self.same = nn.Conv1d(4, 2, 4, padding="same")

    def forward(self, x):
        return self.plain(x), self.strided(x), self.dilated(x), self.depthwise(x), self.same(x)


@family("conv2d", normal((1, 4, 8, 7), (3, 4, 6, 9)), how="both", batch="dynamic")
class Conv2d(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.Conv2d(4, 3, 3)
        self.strided = nn.Conv2d(4, 2, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)
        self.dilated = nn.Conv2d(4, 4, 3, dilation=(1, 2), padding=2, groups=2)
        self.depthwise = nn.Conv2d(4, 8, 3, groups=4, padding=1)
        self.pointwise = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        return self.plain(x), self.strided(x), self.dilated(x), self.depthwise(x), self.pointwise(x)


@family("conv2d_padding", normal((1, 2, 8, 7), (2, 2, 6, 9)), how="both", batch="dynamic")
class Conv2dPadding(nn.Module):
    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(2, 2, (4, 3), padding="same")
        self.same_dilated = nn.Conv2d(2, 2, 3, padding="same", dilation=2)
        self.valid = nn.Conv2d(2, 2, 3, padding="valid")
        self.reflect = nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")
        self.replicate = nn.Conv2d(2, 2, 3, padding=(2, 1), padding_mode="replicate")
        self.circular = nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")

    def forward(self, x):
        return self.same(x), self.same_dilated(x), self.valid(x), self.reflect(x), self.replicate(x), self.circular(x)


@family("conv3d", normal((1, 2, 4, 5, 6), (2, 2, 5, 4, 4)), how="both", batch="dynamic")
class Conv3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.Conv3d(2, 2, 2)
        self.strided = nn.Conv3d(2, 2, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False)
        self.grouped = nn.Conv3d(2, 4, 3, padding=1, groups=2)

    def forward(self, x):
        return self.plain(x), self.strided(x), self.grouped(x)


@family("transposed", normal((1, 4, 5, 6), (3, 4, 3, 4)), how="both", batch="dynamic")
class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.padded = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.grouped = nn.ConvTranspose2d(4, 4, 3, groups=2, dilation=2)

    def forward(self, x):
        return self.plain(x), self.padded(x), self.grouped(x)


@family(
    "transposed_1d_3d",
    lambda: [(torch.randn(1, 4, 5), torch.randn(1, 2, 3, 3, 4)), (torch.randn(2, 4, 7), torch.randn(2, 2, 2, 3, 3))],
    how="both",
)
class Transposed1d3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1)
        self.three = nn.ConvTranspose3d(2, 2, 2, stride=2, bias=False)

    def forward(self, x, y):
        return self.one(x), self.three(y)


@family("output_size", normal((1, 2, 5, 5), (2, 2, 5, 5)), note="output_size decides output_padding")
class OutputSize(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1)

    def forward(self, x):
        return self.up(x, output_size=[10, 10])


@family(
    "unbatched",
    lambda: [(torch.randn(2, 6, 5), torch.randn(2, 7))],
    how="both",
    batch="none",
    note="inputs without a batch axis",
)
class Unbatched(nn.Module):
    def __init__(self):
        super().__init__()
        self.two, self.one = nn.Conv2d(2, 3, 3), nn.Conv1d(2, 3, 3)

    def forward(self, x, y):
        return self.two(x), self.one(y)


@family(
    "dynamic_weights",
    lambda: [
        (torch.randn(2, 4, 6, 6), torch.randn(3, 4, 3, 3), torch.randn(3)),
        (torch.randn(1, 4, 5, 7), torch.randn(2, 4, 1, 1), torch.randn(2)),
    ],
    how="both",
    batch="none",
    note="weights are inputs",
)
class DynamicWeights(nn.Module):
    def forward(self, x, w, b):
        return F.conv2d(x, w, b), F.conv2d(x, w, padding=1), F.conv1d(x.flatten(2), w.flatten(2)[:, :, :1], b)


@family("batch_norm_block", normal((2, 3, 8, 8), (1, 3, 10, 6)), how="both", batch="dynamic")
class BatchNormBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)
            self.norm.weight.normal_()
            self.norm.bias.normal_()

    def forward(self, x):
        return F.relu(self.norm(self.conv(x))) + x.mean(1, keepdim=True)


@family(
    "float64",
    lambda: [(torch.randn(1, 2, 6, 6, dtype=torch.float64),), (torch.randn(3, 2, 5, 7, dtype=torch.float64),)],
    note="float64 weights and inputs",
)
class Float64(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.up = nn.Conv2d(2, 3, 3).double(), nn.ConvTranspose2d(3, 2, 2).double()

    def forward(self, x):
        return self.up(torch.relu(self.conv(x)))


@family("weight_norm", normal((1, 3, 9), (2, 3, 12)), note="weight_norm is computed in the archive")
class WeightNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3))

    def forward(self, x):
        return self.conv(x)
