"""Shapes, views, joins, splits and permutations."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("shape")
r = torch.randn


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("reshapes", normal((2, 3, 4), (5, 3, 4)), how="both")
class Reshapes(nn.Module):
    def forward(self, x):
        return (
            x.view(x.size(0), -1),
            x.reshape(-1, 4),
            x.flatten(),
            x.flatten(1),
            torch.flatten(x, 0, 1),
            x.unflatten(2, (2, 2)),
            x.view(-1, 2, 6),
            x.reshape(x.shape[0], x.shape[1] * x.shape[2]),
        )


@family("sizes", normal((2, 3, 4), (5, 6, 2)), how="both", note="shapes computed from the input's")
class Sizes(nn.Module):
    def forward(self, x):
        b, c, n = x.shape
        half = n // 2
        return (
            x.view(b * c, n),
            x.reshape(b, c, half, n // half),
            x[:, : c // 3],
            x.new_zeros(b, c + 1),
            torch.ones(n * 2, b),
            x.view(b, -1)[:, : c * n - 1],
            x.expand(3, b, c, n).reshape(-1, n),
        )


@family("axes", normal((2, 3, 4), (5, 2, 3)), how="both")
class Axes(nn.Module):
    def forward(self, x):
        return (
            x.permute(2, 0, 1),
            x.transpose(0, -1),
            x.mT,
            torch.swapaxes(x, 0, 1),
            torch.movedim(x, 0, 2),
            x[0].t(),
            x.permute(0, 2, 1).contiguous().view(x.size(0), -1),
            torch.movedim(x, (0, 1), (1, 2)),
        )


@family("ones", normal((2, 1, 4, 1), (3, 1, 2, 1)), how="both")
class Ones(nn.Module):
    def forward(self, x):
        return (
            x.squeeze(),
            x.squeeze(1),
            x.squeeze(0),
            x.unsqueeze(0),
            x.unsqueeze(-1),
            x.squeeze(-1).squeeze(1),
            x[None],
            torch.squeeze(x, dim=(1, 3)),
        )


@family("joins", lambda: [(r(2, 3), r(2, 3)), (r(4, 3), r(4, 3))], how="both")
class Joins(nn.Module):
    def forward(self, x, y):
        return (
            torch.cat([x, y], dim=1),
            torch.cat((x, y)),
            torch.stack([x, y]),
            torch.stack([x, y, x], dim=-1),
            torch.hstack([x, y]),
            torch.vstack([x, y]),
            torch.concat([x, y, x], -1),
            torch.dstack([x, y]),
        )


@family("splits", normal((2, 6, 4), (3, 6, 2)), how="both")
class Splits(nn.Module):
    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        c, d, e = torch.split(x, [1, 2, 3], dim=1)
        f, g = torch.split(x, 4, 1)
        return a * 2, b + 1, c, d, e, f, g, torch.cat(x.split(2, 1), 0)


@family("more_splits", normal((2, 7, 3), (1, 7, 5)))
class MoreSplits(nn.Module):
    def forward(self, x):
        a, b, c = x.chunk(3, 1)
        d, e = torch.tensor_split(x, 2, dim=1)
        f = torch.unbind(x, 1)
        return a, b, c, d, e, f[0] + f[-1], x.tensor_split([2, 5], 1)[1], x.narrow(1, 2, 3)


@family("repeats", normal((2, 3), (4, 1)), how="both")
class Repeats(nn.Module):
    def forward(self, x):
        return (
            x.repeat(2, 3),
            x.repeat(2, 1, 2),
            x.expand(3, -1, -1),
            x.unsqueeze(1).expand(-1, 4, -1),
            torch.tile(x, (2,)),
            x.repeat_interleave(2, dim=1),
            torch.repeat_interleave(x, 3),
            x[:, :1].expand_as(x),
        )


@family("turns", normal((3, 4), (2, 5)))
class Turns(nn.Module):
    def forward(self, x):
        return (
            x.flip(0),
            x.flip([0, 1]),
            torch.roll(x, 1, 0),
            torch.roll(x, (1, -2), (0, 1)),
            torch.rot90(x),
            torch.fliplr(x),
            torch.flipud(x),
            torch.roll(x, 3),
        )


@family("broadcasts", lambda: [(r(3, 1), r(1, 4)), (r(2, 1), r(1, 3))], how="both")
class Broadcasts(nn.Module):
    def forward(self, x, y):
        a, b = torch.broadcast_tensors(x, y)
        c, d = torch.meshgrid(x[:, 0], y[0], indexing="ij")
        return a, b, c, d, torch.broadcast_to(x, (2, x.size(0), 5)), torch.cartesian_prod(x[:, 0], y[0])


@family("windows", normal((2, 8), (1, 10)))
class Windows(nn.Module):
    def forward(self, x):
        return (
            x.unfold(1, 4, 2),
            x.unfold(-1, 3, 1).sum(-1),
            torch.as_strided(x.contiguous(), (2, 3), (3, 1)),
            x.diff(dim=1),
            x.view_as(x) * 1,
        )


@family(
    "window_partition",
    normal((1, 4, 6, 2), (2, 8, 4, 2)),
    how="both",
    note="as Swin splits an image into windows and joins them again",
)
class WindowPartition(nn.Module):
    def forward(self, x):
        b, h, w, c = x.shape
        y = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 4, c)
        z = torch.roll(
            y.view(b, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c),
            shifts=(-1, -1),
            dims=(1, 2),
        )
        return y, z


@family("facts", normal((2, 3, 4), (5, 1, 6)), how="script", note="shape facts as results; one is a number, one a list")
class Facts(nn.Module):
    def forward(self, x):
        n = x.size(0) * x.size(-1)
        return x.numel(), n, x.dim(), x.shape, len(x), x.size(), x.is_floating_point()


@family("padded_to_multiple", normal((1, 5), (2, 8)), how="both", note="the size decides how much is padded")
class PaddedToMultiple(nn.Module):
    def forward(self, x):
        rest = (4 - x.size(1) % 4) % 4
        y = torch.nn.functional.pad(x, (0, rest))
        return y, y.view(x.size(0), -1, 4).sum(1)


@family("integers", lambda: [(torch.randint(-9, 9, (2, 3, 4)),), (torch.randint(-9, 9, (1, 5, 2)),)])
class Integers(nn.Module):
    def forward(self, x):
        return (
            x.view(x.size(0), -1),
            x.permute(2, 0, 1),
            torch.cat([x, x + 1], 1),
            x.repeat(1, 2, 1),
            x.flip(1),
            (x > 0).transpose(1, 2),
            x.chunk(1, 0)[0].unsqueeze(0),
        )


@family("channels_last", normal((1, 3, 4, 5), (2, 3, 2, 6)), note="memory formats change no values")
class ChannelsLast(nn.Module):
    def forward(self, x):
        y = x.to(memory_format=torch.channels_last)
        return (
            y + 1,
            y.permute(0, 2, 3, 1).contiguous(),
            y.contiguous().view(x.size(0), -1),
            x.contiguous(memory_format=torch.channels_last).flatten(2),
        )
