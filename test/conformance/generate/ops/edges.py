"""Sizes of 0 and other edges: recurrent layers, order and distances on rows that may be none."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("edges")
r = torch.randn


class Layer(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.net = getattr(nn, kind)(3, 4, **options)

    def forward(self, x):
        return self.net(x)


BATCH_FIRST = lambda: [(r(2, 5, 3),), (r(0, 5, 3),), (r(1, 1, 3),)]
TIME_FIRST = lambda: [(r(5, 2, 3),), (r(5, 0, 3),)]
for kind in ("LSTM", "GRU", "RNN"):
    family.add(f"{kind.lower()}_no_rows", lambda kind=kind: Layer(kind, batch_first=True), BATCH_FIRST, how="both")
    family.add(f"{kind.lower()}_no_columns", lambda kind=kind: Layer(kind, bidirectional=True, num_layers=2), TIME_FIRST)
family.add(
    "lstm_no_rows_double",
    lambda: Layer("LSTM", batch_first=True).double(),
    lambda: [(r(2, 5, 3).double(),), (r(0, 5, 3).double(),)],
    how="script",
)


@family("lstm_no_selected_rows", lambda: [(r(4, 5, 3).abs(),), (-r(4, 5, 3).abs(),)], how="both", batch="none")
class SelectedRows(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x):
        return self.net(x[x[:, 0, 0] > 0])[0]


NO_STEP = lambda: [(r(2, 5, 3),), (r(2, 0, 3),)]
for kind in ("LSTM", "GRU", "RNN"):
    family.add(
        f"{kind.lower()}_no_step",
        lambda kind=kind: Layer(kind, batch_first=True),
        NO_STEP,
        how="script",
        note="the second call raises",
    )


@family("bfloat16_rounds", lambda: [(r(4, 8),), (r(7, 8) * 1e3,)], how="both", tolerance={"rtol": 1e-6, "atol": 1e-6})
class Bfloat16Rounds(nn.Module):
    def forward(self, x):
        return x.to(torch.bfloat16).float(), x.double().to(torch.bfloat16).double()


ROWS = lambda: [(r(2, 8),), (r(0, 8),), (r(1, 8),)]


@family("order_no_rows", ROWS, how="both")
class OrderRows(nn.Module):
    def forward(self, x):
        v, i = x.topk(3)
        s, j = torch.sort(x, dim=1, descending=True)
        m, k = x.median(1)
        return v, i, s, j, m, k, x.argsort(1), torch.kthvalue(x, 2, 1)[0]


INTEGERS = lambda: [(torch.arange(16).reshape(2, 8) % 5,), (torch.arange(0).reshape(0, 8),)]


@family("order_integers_no_rows", INTEGERS, how="both")
class OrderIntegers(nn.Module):
    def forward(self, x):
        return x.topk(2, largest=False)[0], torch.sort(x, dim=1, stable=True)[0], (x > 2).sort(1)[0]


@family("order_no_columns", lambda: [(r(3, 4),), (r(3, 0),), (r(0, 0),)], how="both")
class OrderColumns(nn.Module):
    def forward(self, x):
        return x.sort(1)[0], x.argsort(0), torch.msort(x)


@family("order_inner_axis", lambda: [(r(2, 3, 4),), (r(0, 3, 4),), (r(2, 3, 0),)], how="both")
class OrderInner(nn.Module):
    def forward(self, x):
        return x.topk(2, dim=1)[0], x.sort(1)[1]


@family("topk_no_selected_rows", lambda: [(r(4, 5).abs(),), (-r(4, 5).abs(),)], how="both", batch="none")
class TopkSelected(nn.Module):
    def forward(self, x):
        v, i = x[x[:, 0] > 0].topk(2)
        return v, i


def near(rows):
    return (torch.rand(rows, 3) * 1e-3 + 100.0,)


@family("cdist_near_points", lambda: [near(8), near(25), near(1), near(0)], how="both", batch="none")
class Distances(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x)


MANY = lambda: [(r(30, 3), r(4, 3)), (r(4, 3), r(26, 3)), (r(3, 3), r(2, 3))]


@family("cdist_many_points", MANY, how="both", batch="none")
class DistancesOfTwo(nn.Module):
    def forward(self, x, y):
        return torch.cdist(x, y), torch.cdist(x, y, p=1.0)


@family("cdist_batches", lambda: [(r(2, 5, 3),), (r(1, 27, 3),), (r(0, 5, 3),)], how="both")
class DistancesOfBatches(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"), torch.cdist(x, x + 1)
