"""Maximum, average, power and adaptive pooling."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("pooling")


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("max_pool", normal((1, 2, 9, 8), (3, 2, 7, 11)), how="both")
class MaxPool(nn.Module):
    def forward(self, x):
        return (
            F.max_pool2d(x, 2),
            F.max_pool2d(x, 3, 2, 1),
            F.max_pool2d(x, (3, 2), (2, 1), ceil_mode=True),
            F.max_pool2d(x, 2, 1, 0, 2),
            F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        )


@family(
    "max_pool_1d_3d",
    lambda: [(torch.randn(1, 3, 11), torch.randn(1, 2, 5, 6, 7)), (torch.randn(2, 3, 8), torch.randn(2, 2, 4, 5, 6))],
    how="both",
)
class MaxPool1d3d(nn.Module):
    def forward(self, x, y):
        return (
            F.max_pool1d(x, 3, 2, 1),
            F.max_pool1d(x, 2, ceil_mode=True),
            F.max_pool3d(y, 2),
            F.max_pool3d(y, (1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )


@family("max_pool_indices", normal((1, 2, 8, 8), (2, 2, 6, 10)), how="both")
class MaxPoolIndices(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)

    def forward(self, x):
        y, indices = self.pool(x)
        z, others = F.max_pool2d_with_indices(x, 3, 2, 1)
        return y, indices, z, others


@family(
    "max_unpool",
    lambda: [(torch.randn(1, 2, 4, 4), torch.arange(16).mul(4).expand(1, 2, 16).reshape(1, 2, 4, 4))],
    how="script",
)
class MaxUnpool(nn.Module):
    def forward(self, x, indices):
        return F.max_unpool2d(x, indices, [2, 2], [2, 2], [0, 0])


@family("avg_pool", normal((1, 2, 9, 8), (3, 2, 7, 11)), how="both")
class AvgPool(nn.Module):
    def forward(self, x):
        return (
            F.avg_pool2d(x, 2),
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.avg_pool2d(x, 3, 2, ceil_mode=True),
            F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
            F.avg_pool2d(x, (2, 3), divisor_override=5),
        )


@family(
    "avg_pool_1d_3d",
    lambda: [(torch.randn(1, 3, 11), torch.randn(1, 2, 5, 6, 7)), (torch.randn(2, 3, 8), torch.randn(2, 2, 4, 5, 6))],
    how="both",
)
class AvgPool1d3d(nn.Module):
    def forward(self, x, y):
        return (
            F.avg_pool1d(x, 3, 2, 1),
            F.avg_pool1d(x, 2, ceil_mode=True, count_include_pad=False),
            F.avg_pool3d(y, 2),
            F.avg_pool3d(y, 3, 1, 1),
        )


@family(
    "adaptive_one",
    lambda: [(torch.randn(1, 3, 7, 9), torch.randn(1, 3, 5)), (torch.randn(2, 3, 4, 4), torch.randn(2, 3, 8))],
    how="both",
)
class AdaptiveOne(nn.Module):
    def forward(self, x, y):
        return (
            F.adaptive_avg_pool2d(x, 1),
            F.adaptive_avg_pool2d(x, (1, 1)),
            F.adaptive_max_pool2d(x, 1),
            F.adaptive_avg_pool1d(y, 1),
            F.adaptive_max_pool1d(y, 1),
        )


@family(
    "adaptive_kept",
    lambda: [
        (torch.randn(1, 3, 7, 9), torch.randn(1, 2, 4, 6, 5)),
        (torch.randn(2, 3, 7, 9), torch.randn(2, 2, 4, 6, 5)),
    ],
    note="one axis keeps its size",
)
class AdaptiveKept(nn.Module):
    def forward(self, x, y):
        return (
            F.adaptive_avg_pool2d(x, (1, None)),
            F.adaptive_avg_pool3d(y, (2, None, 1)),
            F.adaptive_max_pool2d(x, (None, 3)),
        )


@family(
    "adaptive_divisible",
    lambda: [(torch.randn(1, 3, 8, 6), torch.randn(1, 3, 12)), (torch.randn(2, 3, 8, 6), torch.randn(2, 3, 12))],
    how="both",
)
class AdaptiveDivisible(nn.Module):
    def forward(self, x, y):
        return (
            F.adaptive_avg_pool2d(x, (4, 2)),
            F.adaptive_max_pool2d(x, (2, 3)),
            F.adaptive_avg_pool1d(y, 4),
            F.adaptive_max_pool1d(y, 6),
            F.adaptive_avg_pool2d(x, (8, 6)),
        )


@family(
    "adaptive_uneven",
    lambda: [(torch.randn(1, 3, 7, 10), torch.randn(1, 3, 11)), (torch.randn(2, 3, 7, 10), torch.randn(2, 3, 11))],
    how="both",
    note="output sizes do not divide the input's",
)
class AdaptiveUneven(nn.Module):
    def forward(self, x, y):
        return (
            F.adaptive_avg_pool2d(x, (3, 4)),
            F.adaptive_avg_pool2d(x, 7),
            F.adaptive_max_pool2d(x, (3, 4)),
            F.adaptive_avg_pool1d(y, 4),
            F.adaptive_max_pool1d(y, 3),
        )


@family(
    "adaptive_other_size",
    normal((1, 3, 14, 14), (2, 3, 10, 9), (1, 3, 7, 7)),
    how="both",
    note="the input's size differs from the traced one, as when a VGG takes another image size",
)
class AdaptiveOtherSize(nn.Module):
    def forward(self, x):
        return F.adaptive_avg_pool2d(x, (7, 7))


@family("adaptive_3d", normal((1, 2, 4, 6, 5), (2, 2, 4, 6, 5)), how="both")
class Adaptive3d(nn.Module):
    def forward(self, x):
        return F.adaptive_avg_pool3d(x, 1), F.adaptive_avg_pool3d(x, (2, 3, 5)), F.adaptive_max_pool3d(x, 1)


@family(
    "lp_pool",
    lambda: [
        (torch.rand(1, 2, 6, 6) + 0.1, torch.rand(1, 2, 8) + 0.1),
        (torch.rand(2, 2, 8, 4) + 0.1, torch.rand(2, 2, 6) + 0.1),
    ],
)
class LpPool(nn.Module):
    def forward(self, x, y):
        return F.lp_pool2d(x, 2.0, 2), F.lp_pool2d(x, 3.0, (3, 2), 1), F.lp_pool1d(y, 1.0, 2)


@family("unbatched", lambda: [(torch.randn(2, 6, 8), torch.randn(2, 9))], how="both", batch="none")
class Unbatched(nn.Module):
    def forward(self, x, y):
        return (
            F.max_pool2d(x, 2),
            F.avg_pool2d(x, 2),
            F.adaptive_avg_pool2d(x, 1),
            F.max_pool1d(y, 3),
            F.adaptive_avg_pool1d(y, 3),
        )
