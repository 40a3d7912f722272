"""Batch, layer, group, instance, root-mean-square and local response normalization."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("normalization")


def normal(*shapes):
    return lambda: [(torch.randn(*shape) * 2 + 0.5,) for shape in shapes]


def randomise(module):
    """Give every parameter and running statistic a value that changes the outputs."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                buffer.normal_()


@family(
    "batch_norm",
    lambda: [
        (torch.randn(2, 4, 3, 5), torch.randn(2, 4, 6), torch.randn(2, 4)),
        (torch.randn(1, 4, 2, 2), torch.randn(3, 4, 2), torch.randn(5, 4)),
    ],
    how="both",
    prepare=randomise,
)
class BatchNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.two, self.one = nn.BatchNorm2d(4, eps=1e-3), nn.BatchNorm1d(4)
        self.plain = nn.BatchNorm1d(4, affine=False)

    def forward(self, x, y, z):
        return self.two(x), self.one(y), self.one(z), self.plain(z)


@family("batch_norm_3d", normal((2, 2, 3, 4, 2), (1, 2, 2, 2, 2)), prepare=randomise)
class BatchNorm3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm3d(2)

    def forward(self, x):
        return self.norm(x), F.batch_norm(x, self.norm.running_mean, self.norm.running_var)


@family(
    "batch_statistics", normal((4, 3), (6, 3)), batch="none", note="normalised by the statistics of the batch itself"
)
class BatchStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, track_running_stats=False)

    def forward(self, x):
        return self.norm(x)


@family("layer_norm", normal((2, 3, 4), (5, 2, 4)), how="both", prepare=randomise)
class LayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine, self.plain = nn.LayerNorm(4), nn.LayerNorm(4, eps=1e-6, elementwise_affine=False)
        self.no_bias = nn.LayerNorm(4, bias=False)

    def forward(self, x):
        return self.affine(x), self.plain(x), self.no_bias(x)


@family("layer_norm_many_axes", normal((2, 3, 4), (5, 3, 4)), how="both", prepare=randomise)
class LayerNormManyAxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm([3, 4])

    def forward(self, x):
        return self.norm(x), F.layer_norm(x, x.shape[-1:]), F.layer_norm(x, [4])


@family(
    "group_norm",
    lambda: [(torch.randn(2, 6, 3, 4), torch.randn(2, 6, 5)), (torch.randn(1, 6, 5, 2), torch.randn(3, 6, 4))],
    how="both",
    prepare=randomise,
)
class GroupNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.three, self.one, self.plain = (
            nn.GroupNorm(3, 6),
            nn.GroupNorm(1, 6, eps=1e-3),
            nn.GroupNorm(6, 6, affine=False),
        )

    def forward(self, x, y):
        return self.three(x), self.one(x), self.plain(x), self.three(y)


@family(
    "instance_norm",
    lambda: [(torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6)), (torch.randn(1, 3, 2, 3), torch.randn(3, 3, 4))],
    how="both",
    prepare=randomise,
)
class InstanceNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine, self.plain, self.tracked = (
            nn.InstanceNorm2d(3, affine=True),
            nn.InstanceNorm1d(3),
            nn.InstanceNorm1d(3, track_running_stats=True),
        )

    def forward(self, x, y):
        return self.affine(x), self.plain(y), self.tracked(y)


@family("rms_norm", normal((2, 3, 4), (5, 2, 4)), how="both", prepare=randomise)
class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(4, eps=1e-6)
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x):
        by_hand = self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))
        return self.norm(x), by_hand, F.rms_norm(x, [4])


@family("response_norm", normal((2, 6, 3, 4), (1, 6, 2, 5)))
class ResponseNorm(nn.Module):
    def forward(self, x):
        return (
            F.local_response_norm(x, 3),
            F.local_response_norm(x, 5, alpha=0.01, beta=0.5, k=2.0),
            F.normalize(x, dim=1),
        )


@family(
    "large_mean",
    lambda: [(torch.randn(3, 16) + 1000,)],
    tolerance={"rtol": 1e-3, "atol": 1e-2},
    note="layer norm far from zero: float32 is inexact",
    reference=True,
)
class LargeMean(nn.Module):
    def forward(self, x):
        return F.layer_norm(x, (16,)), torch.var(x, 1)


@family(
    "weight_standardised",
    normal((1, 3, 6, 6), (2, 3, 5, 8)),
    prepare=randomise,
    note="batch_norm over a weight, as normaliser-free nets do",
)
class WeightStandardised(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gain = nn.Parameter(torch.ones(4, 1, 1, 1))

    def forward(self, x):
        weight = F.batch_norm(
            self.conv.weight.reshape(1, 4, -1),
            None,
            None,
            weight=(self.gain * 0.2).view(-1),
            training=True,
            momentum=0.0,
            eps=1e-5,
        )
        return F.conv2d(x, weight.reshape_as(self.conv.weight), self.conv.bias)


@family(
    "running_statistics",
    normal((4, 3), (6, 3)),
    how="script",
    stateful=True,
    batch="none",
    note="training mode: batch statistics are used, running ones updated",
)
class RunningStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("var", torch.ones(3))

    def forward(self, x):
        y = F.batch_norm(x, self.mean, self.var, training=True, momentum=0.1)
        return y, self.mean, self.var
