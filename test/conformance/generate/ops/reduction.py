"""Reductions, cumulative operators, order and selection."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("reduction")


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("sums", normal((2, 3, 4), (5, 2, 6)), how="both")
class Sums(nn.Module):
    def forward(self, x):
        return (
            x.sum(),
            x.sum(1),
            x.sum(-1, keepdim=True),
            x.sum((0, 2)),
            x.mean(),
            x.mean(1),
            x.mean((1, 2), keepdim=True),
            x.prod(1),
        )


@family("extremes", normal((2, 3, 4), (5, 2, 6)), how="both")
class Extremes(nn.Module):
    def forward(self, x):
        v, i = x.max(1)
        w, j = torch.min(x, -1, keepdim=True)
        return x.max(), x.min(), v, i, w, j, x.amax((0, 1)), x.amin(-1, keepdim=True)


@family("arguments", normal((2, 3, 4), (5, 2, 6)), how="both")
class Arguments(nn.Module):
    def forward(self, x):
        lo, hi = torch.aminmax(x, dim=1)
        return (
            x.argmax(),
            x.argmin(1),
            x.argmax(-1, keepdim=True),
            torch.argmin(x, 0),
            lo,
            hi,
            torch.argsort(x, dim=-1, descending=True),
        )


@family("spread", normal((2, 3, 4), (5, 2, 6)), how="both")
class Spread(nn.Module):
    def forward(self, x):
        v, m = torch.var_mean(x, dim=1)
        s, n = torch.std_mean(x, dim=-1, keepdim=True, unbiased=False)
        return x.std(), x.var(-1), x.var((0, 2), unbiased=False), x.std(1, keepdim=True), v, m, s, n


@family("corrections", normal((2, 3, 4), (3, 3, 6)))
class Corrections(nn.Module):
    def forward(self, x):
        return (
            torch.var(x, dim=1, correction=2),
            torch.std(x, dim=(0, 1), correction=0),
            x.var(),
            torch.var(x, 0, False, True),
        )


@family("norms", normal((2, 3, 4), (5, 2, 6)), how="both")
class Norms(nn.Module):
    def forward(self, x):
        return (
            x.norm(),
            x.norm(2, -1),
            torch.norm(x, p=1, dim=1),
            torch.norm(x, p=float("inf"), dim=-1),
            torch.linalg.vector_norm(x, 2, [1], True),
            torch.linalg.norm(x, dim=-1),
            torch.norm(x, p=3, dim=1, keepdim=True),
            x.norm(2, (1, 2)),
        )


@family("truth", lambda: [(torch.tensor([[True, False], [True, True]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]))])
class Truth(nn.Module):
    def forward(self, b, x):
        return (
            b.any(),
            b.all(),
            b.any(1),
            b.all(0, keepdim=True),
            (x > 0).any(-1),
            b.sum(1),
            torch.count_nonzero(x, 1),
            (x != 0).all(),
        )


@family("exponents", normal((2, 3, 4), (5, 2, 6)))
class Exponents(nn.Module):
    def forward(self, x):
        return (
            torch.logsumexp(x, -1),
            torch.logsumexp(x, (0, 1), True),
            torch.logcumsumexp(x, 1),
            torch.nansum(x / (x > 0).float(), -1) * 0,
            x.softmax(-1).sum(-1),
        )


@family("cumulative", normal((2, 3, 4), (5, 2, 6)), how="both")
class Cumulative(nn.Module):
    def forward(self, x):
        v, i = torch.cummax(x, 1)
        w, j = torch.cummin(x, -1)
        return torch.cumsum(x, 1), torch.cumprod(x, -1), x.cumsum(0), torch.cumsum((x > 0), 1), v, i, w, j


@family("sorts", normal((3, 5), (2, 7)), how="both")
class Sorts(nn.Module):
    def forward(self, x):
        v, i = torch.sort(x, dim=-1, descending=True)
        w, j = torch.sort(x, 0)
        m, k = torch.median(x, 1)
        return v, i, w, j, m, k, torch.sort(x, stable=True, dim=1)[1]


@family("top", normal((3, 5), (2, 7)), how="both")
class Top(nn.Module):
    def forward(self, x):
        v, i = torch.topk(x, 3)
        w, j = torch.topk(x, 2, dim=0, largest=False)
        k, n = torch.kthvalue(x, 2, dim=1)
        return v, i, w, j, k, n, torch.topk(x, 1, 1)[1].squeeze(1)


@family("scripted_top", lambda: [(torch.randn(3, 5), 2), (torch.randn(2, 7), 6)], how="script", note="k is an argument")
class ScriptedTop(nn.Module):
    def forward(self, x, k: int):
        v, i = torch.topk(x, k, dim=1)
        return v, i, x.size(1) - k


@family("integers", lambda: [(torch.randint(-9, 9, (3, 4)),), (torch.randint(-9, 9, (2, 5)),)])
class Integers(nn.Module):
    def forward(self, x):
        return x.sum(), x.sum(1), x.max(), x.max(1)[0], x.argmax(1), x.prod(1), x.cumsum(1), x.amax(0)


@family(
    "ties",
    lambda: [(torch.tensor([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]]),)],
    note="the first of equal values wins",
)
class Ties(nn.Module):
    def forward(self, x):
        return x.argmax(1), x.argmin(1), x.max(1)[1], torch.sort(x, stable=True, dim=1)[1]


@family("distances", lambda: [(torch.randn(3, 4), torch.randn(3, 4)), (torch.randn(2, 4), torch.randn(2, 4))])
class Distances(nn.Module):
    def forward(self, x, y):
        return (
            nn.functional.cosine_similarity(x, y, dim=1),
            nn.functional.pairwise_distance(x, y),
            torch.dist(x, y),
            torch.cdist(x, y),
            nn.functional.normalize(x, dim=-1),
            torch.nn.functional.normalize(x, p=1.0, dim=0),
        )


@family(
    "losses",
    lambda: [
        (torch.randn(3, 5), torch.randn(3, 5), torch.randint(0, 5, (3,))),
        (torch.randn(2, 5), torch.randn(2, 5), torch.randint(0, 5, (2,))),
        (torch.randn(0, 5), torch.randn(0, 5), torch.randint(0, 5, (0,))),
    ],
    how="both",
)
class Losses(nn.Module):
    def forward(self, x, y, labels):
        return (
            nn.functional.mse_loss(x, y),
            nn.functional.l1_loss(x, y, reduction="sum"),
            nn.functional.cross_entropy(x, labels),
            nn.functional.smooth_l1_loss(x, y),
            nn.functional.binary_cross_entropy_with_logits(x, y.sigmoid()),
            nn.functional.nll_loss(x.log_softmax(1), labels, reduction="none"),
            nn.functional.kl_div(x.log_softmax(1), y.softmax(1), reduction="batchmean"),
        )


@family(
    "histc",
    lambda: [
        (torch.randn(50),),
        (torch.tensor([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 9.0, 0.5]),),
        (torch.randn(3, 40),),
    ],
    how="both",
    batch="none",
    note="the edges belong to the outer bins, and what is outside is not counted",
)
class Histc(nn.Module):
    def forward(self, x):
        return torch.histc(x, 6, -3, 3), torch.histc(x, bins=4, min=0, max=3), torch.histc(x, 1, -2.5, 0.25)


@family(
    "histc_own_range",
    lambda: [(torch.randn(50),), (torch.full((7,), 2.5),), (torch.tensor([4.0]),)],
    how="both",
    batch="none",
    note="the range is that of the data; one value has a range of 2",
)
class HistcOwnRange(nn.Module):
    def forward(self, x):
        return torch.histc(x, 5), torch.histc(x)


@family("histc_double", lambda: [(torch.randn(50).double(),), (torch.rand(9).double(),)], how="both", batch="none")
class HistcDouble(nn.Module):
    def forward(self, x):
        return torch.histc(x, 7, -1, 1)


@family(
    "histc_not_numbers",
    lambda: [(torch.tensor([0.5, float("nan"), 2.0, float("inf"), -float("inf")]),)],
    how="script",
    batch="none",
)
class HistcNotNumbers(nn.Module):
    def forward(self, x):
        return torch.histc(x, 4, 0, 2)
