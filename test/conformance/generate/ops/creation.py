"""Tensors that the code creates: constants, ranges, `*_like` and random tensors."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("creation")
r = torch.randn


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("filled", normal((2, 3), (4, 5)), how="both")
class Filled(nn.Module):
    def forward(self, x):
        b, n = x.shape
        return (
            torch.zeros(b, n),
            torch.ones(n),
            torch.full((b, n), 2.5),
            torch.full((b,), 3),
            torch.zeros(b, dtype=torch.int64),
            torch.ones(2, n, dtype=torch.bool),
            torch.eye(n),
            torch.eye(n, 2),
        )


@family("likes", normal((2, 3), (4, 5)), how="both")
class Likes(nn.Module):
    def forward(self, x):
        return (
            torch.zeros_like(x),
            torch.ones_like(x, dtype=torch.int64),
            torch.full_like(x, 0.5),
            x.new_zeros(2, x.size(1)),
            x.new_ones(3),
            x.new_full((2, 2), 7.0),
            torch.empty_like(x).fill_(1.5),
        )


@family("ranges", normal((2, 3), (4, 7)), how="both")
class Ranges(nn.Module):
    def forward(self, x):
        n = x.size(1)
        return (
            torch.arange(n),
            torch.arange(1, n + 1),
            torch.arange(0, n * 2, 3),
            torch.arange(n, 0, -1),
            torch.arange(n, dtype=torch.float32),
            torch.arange(0.0, 1.0, 0.25),
            torch.arange(n) * 2 + 1,
            torch.arange(n).float() / n,
        )


@family("spaces", normal((2, 3), (4, 7)), how="both")
class Spaces(nn.Module):
    def forward(self, x):
        return (
            torch.linspace(0, 1, 5),
            torch.linspace(-2.0, 2.0, 6) * x[0, 0],
            torch.logspace(0, 2, 3),
            torch.linspace(3, 3, 1),
        )


@family("constants", normal((2, 3), (4, 3)), how="both")
class Constants(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(3, 3))
        self.register_buffer("counts", torch.tensor([1, 2, 3]), persistent=False)
        self.scale = 0.5

    def forward(self, x):
        return (
            x + torch.tensor([1.0, 2.0, 3.0]),
            x @ self.table,
            x * self.counts,
            x * self.scale,
            torch.tensor(2.0) * x,
            torch.tensor([[1, 2]]),
            torch.scalar_tensor(3.0) + x,
        )


@family(
    "masks",
    lambda: [(torch.tensor([2, 4, 1]), r(3, 4)), (torch.tensor([5, 3]), r(2, 6))],
    how="both",
    note="length and causal masks",
)
class Masks(nn.Module):
    def forward(self, lengths, x):
        n = x.size(1)
        keep = torch.arange(n, device=x.device)[None, :] < lengths[:, None]
        causal = torch.triu(torch.ones(n, n), diagonal=1).to(torch.bool)
        hidden = torch.full((n, n), float("-inf")).triu_(1)
        return (
            keep,
            causal,
            hidden,
            x.masked_fill(~keep, 0.0),
            torch.tril(torch.ones(n, n, dtype=torch.bool)),
            (1.0 - keep.to(x.dtype)) * -3.4028234663852886e38,
        )


@family(
    "positions",
    lambda: [(torch.tensor([[5, 6, 0], [7, 0, 0]]),), (torch.tensor([[1, 2, 3, 4]]),)],
    how="both",
    note="position ids and sinusoids",
)
class Positions(nn.Module):
    def forward(self, ids):
        mask = ids.ne(0).int()
        position = torch.cumsum(mask, dim=1).type_as(mask) * mask
        frequency = torch.exp(torch.arange(0, 4, 2).float() * -0.5)
        angle = torch.arange(ids.size(1)).float()[:, None] * frequency[None]
        return (
            position.long() + 1,
            torch.cat([angle.sin(), angle.cos()], -1),
            torch.stack([angle.sin(), angle.cos()], -1).flatten(1),
        )


@family(
    "random", normal((2, 3), (4, 5)), random=True, note="values are random: shapes and types are what can be compared"
)
class Random(nn.Module):
    def forward(self, x):
        return (
            torch.rand(x.size(0), 3),
            torch.randn_like(x),
            torch.randn(2, x.size(1)),
            torch.rand_like(x),
            torch.randint(0, 5, (x.size(0),)),
        )


@family("random_trained", normal((2, 3), (4, 5)), how="script", random=True, note="dropout that is always on")
class RandomTrained(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5, True), torch.bernoulli(torch.full_like(x, 0.3))
