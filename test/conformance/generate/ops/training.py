"""Modules saved in training mode: batch statistics, running statistics, dropout. And the random operators.

What is drawn at random is checked in the model: it returns whether a property of many draws holds, with bounds that a correct
distribution misses less than once in 10^12 runs.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("training")
r = torch.randn


class One(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)


class Frozen(nn.Module):
    """One batch norm in training mode, one frozen."""

    def __init__(self):
        super().__init__()
        self.live, self.frozen = nn.BatchNorm1d(4), nn.BatchNorm1d(4)

    def forward(self, x):
        return self.live(x), self.frozen(x)


def freeze(module):
    with torch.no_grad():
        module.frozen.running_mean.normal_()
    module.frozen.eval()


class Statistics(nn.Module):
    """Returns the running statistics, which calls change."""

    def __init__(self, momentum):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, momentum=momentum)

    def forward(self, x):
        y = self.norm(x)
        return y, self.norm.running_mean + 0.0, self.norm.running_var + 0.0


class Branch(nn.Module):
    def forward(self, x):
        if self.training:
            return x * 2
        return x - 1


class Counter(nn.Module):
    """State that no result depends on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return x + 1


def conv_net():
    return One(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3)))


ROWS = lambda: [(r(6, 4),), (r(9, 4),)]
for name, make, calls, options in (
    ("norm1", lambda: One(nn.BatchNorm1d(4)), ROWS, {}),
    ("norm1_sequence", lambda: One(nn.BatchNorm1d(3)), lambda: [(r(4, 3, 5),), (r(2, 3, 7),)], {}),
    ("norm1_double", lambda: One(nn.BatchNorm1d(4)).double(), lambda: [(r(6, 4).double(),), (r(3, 4).double(),)], {}),
    ("norm2", lambda: One(nn.BatchNorm2d(3)), lambda: [(r(2, 3, 4, 5),), (r(5, 3, 2, 2),)], {}),
    ("norm2_plain", lambda: One(nn.BatchNorm2d(3, affine=False)), lambda: [(r(2, 3, 4, 5),), (r(1, 3, 2, 2),)], {}),
    ("norm3", lambda: One(nn.BatchNorm3d(2)), lambda: [(r(2, 2, 3, 4, 5),), (r(1, 2, 2, 2, 2),)], {}),
    ("norm_without_statistics", lambda: One(nn.BatchNorm1d(4, track_running_stats=False)), ROWS, {}),
    ("norm_instance", lambda: One(nn.InstanceNorm1d(3, track_running_stats=True)), lambda: [(r(2, 3, 5),), (r(3, 3, 4),)], {}),
    ("norm_frozen", Frozen, ROWS, {"prepare": freeze}),
    ("norm_in_network", conv_net, lambda: [(r(2, 2, 6, 6),), (r(3, 2, 5, 7),)], {}),
    ("branch", Branch, ROWS, {}),
    ("counter", Counter, ROWS, {}),
):
    family.add(name, make, calls, how="both", train=True, batch="none", **options)
family.add("norm_mean_of_calls", lambda: One(nn.BatchNorm1d(4, momentum=None)), ROWS, train=True, batch="none")
family.add(
    "norm_statistics",
    lambda: Statistics(0.3),
    lambda: [(r(5, 3),), (r(4, 3),), (r(7, 3),)],
    how="script",
    train=True,
    stateful=True,
    batch="none",
)



class Drop(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        y = F.dropout(torch.ones(40000) * x.sum() / x.sum(), self.p, self.training)
        z = F.dropout(torch.ones(40000), self.p, self.training)
        zero = y == 0
        near = (y - 1 / (1 - self.p)).abs() < 1e-4
        few = ((zero.float().mean() - self.p).abs() < 0.025).reshape(1)
        return few, (zero | near).all(), torch.any(y != z), x + 1


class DropChannels(nn.Module):
    def forward(self, x):
        y = F.dropout2d(torch.ones(100, 100, 2, 2), 0.25, self.training)
        whole = (y[:, :, 0, 0] == y[:, :, 1, 1]).all()
        a = F.alpha_dropout(torch.zeros(40000), 0.5, self.training)
        low = (a < 0).float().mean()
        b = F.feature_alpha_dropout(torch.zeros(100, 100, 3), 0.5, self.training)
        return whole, (low - 0.5).abs() < 0.025, (a.mean()).abs() < 0.1, (b[:, :, 0] == b[:, :, 2]).all(), x


class Slopes(nn.Module):
    def forward(self, x):
        y = F.rrelu(-torch.ones(40000), 0.1, 0.3, self.training)
        return (y <= -0.0999).all() & (y > -0.3001).all(), (y.mean() + 0.2).abs() < 0.005, F.rrelu(x.abs(), training=True)


for name, make in (("drop", lambda: Drop(0.3)), ("drop_half", lambda: Drop(0.5)), ("drop_channels", DropChannels), ("slopes", Slopes)):
    family.add(name, make, ROWS, how="both", train=True, batch="none")


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, num_layers=2, dropout=0.4, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.3, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0], self.encoder(x), self.attention(x, x, x)[0]


SEQUENCES = lambda: [(r(2, 5, 4),), (r(3, 6, 4),)]
family.add("drop_in_layers", Layers, SEQUENCES, how="both", train=True, random=True, batch="none")
family.add(
    "drop_in_lstm",
    lambda: One(nn.GRU(4, 3, num_layers=3, dropout=0.5)),
    SEQUENCES,
    how="both",
    train=True,
    random=True,
    batch="none",
)


class Multinomial(nn.Module):
    def forward(self, x):
        p = torch.tensor([1.0, 2.0, 0.0, 5.0]).repeat(10000, 1)
        one = torch.multinomial(p, 1)
        many = torch.multinomial(p[:1], 20000, replacement=True)
        two = torch.multinomial(p, 2)
        shares = [(one == i).float().mean() - w for i, w in enumerate([0.125, 0.25, 0.0, 0.625])]
        counts = [(many == i).float().mean() - w for i, w in enumerate([0.125, 0.25, 0.0, 0.625])]
        # The second of two draws: 5/8 · 2/3 + 1/8 · 2/7 of them are index 1.
        second = (two[:, 1] == 1).float().mean() - (0.625 * 2 / 3 + 0.125 * 2 / 7)
        sure = torch.multinomial(F.one_hot(x.argmax(1), 4).float(), 1)
        return (
            torch.stack(shares).abs().max() < 0.04,
            torch.stack(counts).abs().max() < 0.03,
            second.abs() < 0.04,
            (two[:, 0] != two[:, 1]).all(),
            sure,
            torch.multinomial(F.one_hot(x[0].argmax(), 4).float(), 1),
        )


class Normal(nn.Module):
    def forward(self, x):
        n = 40000
        a = torch.normal(torch.full((n,), 2.0), 3.0)
        b = torch.normal(1.0, torch.full((n,), 0.5))
        c = torch.normal(torch.zeros(n), torch.full((n,), 2.0))
        d = torch.empty(n).normal_(1.0, 2.0)
        checks = [
            (a.mean() - 2).abs() < 0.15,
            (a.std() - 3).abs() < 0.15,
            (b.mean() - 1).abs() < 0.03,
            (b.std() - 0.5).abs() < 0.03,
            c.mean().abs() < 0.1,
            (c.std() - 2).abs() < 0.1,
            (d.mean() - 1).abs() < 0.1,
            (torch.randn(n).std() - 1).abs() < 0.05,
        ]
        return torch.stack(checks), x


class Uniform(nn.Module):
    def forward(self, x):
        n = 40000
        a = torch.empty(n).uniform_(-1.0, 3.0)
        b = torch.empty(n).exponential_(2.0)
        c = torch.randint_like(torch.zeros(n), 3)
        d = torch.randint_like(torch.zeros(n), 2, 5)
        e = torch.randint(0, 4, (n,))
        f = torch.bernoulli(torch.full((n,), 0.2))
        g = torch.empty(n).bernoulli_(0.7)
        h = torch.randperm(100)
        checks = [
            (a.mean() - 1).abs() < 0.06,
            (a >= -1).all() & (a <= 3).all(),
            (b.mean() - 0.5).abs() < 0.03,
            (b > 0).all(),
            ((c == 2).float().mean() - 1 / 3).abs() < 0.02,
            (c >= 0).all() & (c < 3).all(),
            ((d == 4).float().mean() - 1 / 3).abs() < 0.02,
            (d >= 2).all() & (d < 5).all(),
            (e.float().mean() - 1.5).abs() < 0.06,
            (f.mean() - 0.2).abs() < 0.02,
            (g.mean() - 0.7).abs() < 0.02,
            (h.sort()[0] == torch.arange(100)).all(),
            torch.any(h != torch.arange(100)),
        ]
        return torch.stack(checks), x


class Gumbel(nn.Module):
    def forward(self, x):
        hard = F.gumbel_softmax(x, hard=True, dim=1)
        soft = F.gumbel_softmax(x, tau=0.5, dim=1)
        return hard.sum(1) > 0.99, (soft.sum(1) - 1).abs() < 1e-4


for name, module in (("multinomial", Multinomial), ("normal", Normal), ("uniform", Uniform), ("gumbel", Gumbel)):
    family.add(f"random_{name}", module, ROWS, how="both", batch="none")
