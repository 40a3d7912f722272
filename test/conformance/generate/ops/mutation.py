"""In-place operators, writes through views, and aliases that must change with them."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("mutation")
r = torch.randn


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


SQUARES = normal((3, 4), (5, 6))


@family("slice_writes", SQUARES, how="both")
class SliceWrites(nn.Module):
    def forward(self, x):
        y = torch.zeros_like(x)
        y[:, 0] = x[:, 1]
        y[:, 2:4] += 2.0
        y[1:] *= 3
        z = x.clone()
        z[0] = 7.0
        z[..., -1] = z[..., 0]
        w = x.clone()
        w[1:3, 1:3] = w[0:2, 0:2].clone()
        return y, z, w


@family("strided_writes", SQUARES, how="both")
class StridedWrites(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[:, ::2] = 0.0
        z = x.clone()
        z[0::2, 1::2] = -x[0::2, 0::2]
        w = torch.empty(x.size(0), 4)
        w[:, 0::2] = x[:, :2].sin()
        w[:, 1::2] = x[:, :2].cos()
        return y, z, w


@family("views", SQUARES, how="both", note="a write to a view shows in the base, and in the base's other views")
class Views(nn.Module):
    def forward(self, x):
        base = x.clone()
        row = base[0]
        row.add_(10)
        column = base.select(1, 1)
        column.mul_(2)
        turned = base.t()
        turned[0, 0] = -1.0
        flat = base.view(-1)
        flat[-1] = 99.0
        return base, row, column, turned, flat


@family("views_of_views", normal((2, 3, 4), (4, 2, 4)), how="both")
class ViewsOfViews(nn.Module):
    def forward(self, x):
        base = x.clone()
        inner = base[:, 0][:, 1:3]
        inner.fill_(5)
        pairs = base.view(base.size(0), -1, 2, 2)
        pairs[..., 0] *= -1
        base.transpose(1, 2)[:, -1].zero_()
        base.unsqueeze(0).squeeze(0).add_(1)
        return base, inner, pairs


@family("parts", normal((3, 4), (3, 6)), how="both", note="chunk, split and unbind give views")
class Parts(nn.Module):
    def forward(self, x):
        base = x.clone()
        a, b = base.chunk(2, dim=1)
        a.mul_(2)
        b.sub_(1)
        first = torch.split(base, 1, dim=0)[0]
        first.zero_()
        return base, a, b, first


@family("aliases", SQUARES, how="both", note="two names for one tensor; a later write shows in both")
class Aliases(nn.Module):
    def forward(self, x):
        a = x * 1
        b = a
        b += 1
        c = a.reshape(-1)
        a.neg_()
        d = a.clone()
        d.abs_()
        e = a.detach()
        e.add_(0.5)
        return a, b, c, d, e


@family(
    "mutated_input",
    lambda: [(r(3, 4), r(3, 4)), (r(2, 5), r(2, 5))],
    how="both",
    note="the first argument itself is written",
)
class MutatedInput(nn.Module):
    def forward(self, x, y):
        before = x + 0
        x.add_(y)
        x[:, 0] = 0.0
        return x, before, y * x


@family("fills", SQUARES, how="both")
class Fills(nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        y.copy_(x)
        y[0].copy_(torch.arange(x.size(1)))
        z = torch.ones_like(x).zero_()
        z.diagonal().fill_(2.0)
        w = x.clone()
        w.masked_fill_(x > 0, 1.0)
        v = torch.zeros(x.size(0), 3)
        v[:, 1].copy_(x[:, 0])
        u = x.clone().fill_diagonal_(0.0)
        return y, z, w, v, u


@family("type_and_broadcast", normal((3, 4), (3, 4)), how="both", note="writes cast and broadcast to the target")
class TypeAndBroadcast(nn.Module):
    def forward(self, x):
        y = torch.zeros(x.size(0), x.size(1), dtype=torch.int64)
        y[:] = x * 3
        z = x.clone()
        z[:] = x[0]
        z[:, 1] = torch.tensor(2)
        w = torch.zeros_like(x, dtype=torch.bool)
        w[:, :2] = x[:, :2] > 0
        w[0] = True
        return y, z, w


@family("operator_assignments", SQUARES, how="both")
class OperatorAssignments(nn.Module):
    def forward(self, x):
        y = x.clone()
        y += x
        y -= 0.5
        y *= 2
        y /= 3
        z = (x * 4).round().to(torch.int64)
        z *= 2
        z %= 3
        m = x > 0
        m &= x < 1
        m |= x < -1
        m ^= x > 2
        return y, z, m


@family("accumulated", normal((3, 4), (6, 2)), how="script", note="rows written in a loop over the input's length")
class Accumulated(nn.Module):
    def forward(self, x):
        out = torch.zeros_like(x)
        total = torch.zeros(x.size(1))
        for i in range(x.size(0)):
            total += x[i]
            out[i] = total / (i + 1)
        return out, total


@family(
    "conditional_write",
    lambda: [(r(3, 4).abs(),), (-r(3, 4).abs(),)],
    how="script",
    batch="none",
    note="a write on one side of a data-dependent branch",
)
class ConditionalWrite(nn.Module):
    def forward(self, x):
        y = x.clone()
        if bool(x.mean() > 0):
            y[0] = 0.0
            y[:, 1].mul_(2)
        else:
            y.neg_()
        return y, y.sum()


@family(
    "cache",
    lambda: [(r(2, 3, 4), r(2, 1, 4), 1), (r(1, 5, 4), r(1, 2, 4), 3)],
    how="script",
    note="a key-value cache written at a position",
)
class Cache(nn.Module):
    def forward(self, cache, step, position: int):
        cache[:, position : position + step.size(1)] = step
        return cache, cache[:, : position + step.size(1)].sum(1)


@family("shifted_channels", normal((2, 2, 4, 3), (1, 3, 4, 5)), how="both", note="temporal shift, as TSM writes it")
class ShiftedChannels(nn.Module):
    def forward(self, x):
        out = torch.zeros_like(x)
        out[:, :-1, :1] = x[:, 1:, :1]
        out[:, 1:, 1:2] = x[:, :-1, 1:2]
        out[:, :, 2:] = x[:, :, 2:]
        return out
