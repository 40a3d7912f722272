"""Axes of size 0: guards, state that starts empty, and operators on nothing."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("sizes")
r = torch.randn

ROWS = lambda: [(r(4, 3),), (r(0, 3),), (r(1, 3),)]
AXES = lambda: [(r(2, 3, 4),), (r(0, 3, 4),), (r(2, 3, 0),), (r(2, 0, 4),)]


@family("guard_rows", ROWS, how="script", batch="none")
class GuardRows(nn.Module):
    def forward(self, x):
        if x.size(0) == 0:
            return torch.full([3], -1.0)
        return x.sum(0)


@family("guard_numel", AXES, how="script", batch="none")
class GuardNumel(nn.Module):
    def forward(self, x):
        if x.numel() > 0:
            y = x.mean() + 1
        else:
            y = torch.zeros([])
        return y


@family("guard_len", ROWS, how="script", batch="none")
class GuardLen(nn.Module):
    def forward(self, x):
        if len(x) == 0:
            return x.new_zeros(2, 3), 0
        return x[:2] * 2, x.size(0)


@family("guard_not_shape", ROWS, how="script", batch="none")
class GuardShape(nn.Module):
    def forward(self, x):
        if x.shape[0] < 1 or x.shape[1] < 1:
            y = x
        else:
            y = x - x.max()
        return y + 1


@family("guard_nested", lambda: [(r(4, 3), r(2, 3)), (r(0, 3), r(2, 3)), (r(4, 3), r(0, 3)), (r(0, 3), r(0, 3))], how="script", batch="none")
class GuardNested(nn.Module):
    def forward(self, x, y):
        if x.size(0) == 0:
            if y.size(0) == 0:
                return torch.zeros(3)
            return y[0]
        if y.numel() != 0:
            return x[0] + y[0]
        return x[0]


@family("guard_raises", lambda: [(r(4, 3),), (r(2, 3),)], how="script", batch="none")
class GuardRaises(nn.Module):
    def forward(self, x):
        if x.size(0) == 0:
            raise ValueError("no rows")
        return x * 2


@family("guard_other_rank", lambda: [(r(4, 3),), (r(2, 3),)], how="script", batch="none", note="with no rows the rank is another: left out")
class GuardOtherRank(nn.Module):
    def forward(self, x):
        if x.size(0) == 0:
            return torch.ones(1)
        return x * 2


@family("guard_early", lambda: [(r(2, 5, 3),), (r(2, 0, 3),)], how="script", batch="none")
class GuardEarly(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.GRU(3, 4, batch_first=True)

    def forward(self, x):
        if x.size(1) == 0:
            return torch.zeros(x.size(0), 4)
        return self.net(x)[0][:, -1]


class Empty(nn.Module):
    def __init__(self, shape=(0,)):
        super().__init__()
        self.h = torch.zeros(shape)


@family("state_numel", lambda: [(r(2, 3),), (r(2, 3),), (r(2, 3),)], how="script", stateful=True, batch="none")
class StateNumel(Empty):
    def forward(self, x):
        if self.h.numel() == 0:
            self.h = torch.zeros(x.size(0), 3)
        self.h = self.h * 0.5 + x
        return self.h


@family("state_len", lambda: [(r(1, 4),), (r(1, 6),), (r(1, 4),)], how="script", stateful=True, batch="none")
class StateLen(Empty):
    def forward(self, x):
        if not len(self.h):
            self.h = torch.zeros(x.size(0), 2)
        y = torch.cat([self.h, x], dim=1)
        self.h = y[:, -2:]
        return y.sum(1)


@family("state_shape", lambda: [(r(3, 2),), (r(1, 2),), (r(1, 2),)], how="script", stateful=True, batch="none")
class StateShape(Empty):
    """Starts again when the number of rows changes."""

    def forward(self, x):
        if self.h.size(0) != x.size(0):
            self.h = torch.ones(x.size(0), 2)
        self.h = self.h + x
        return self.h * 2


@family("state_cache", lambda: [(r(2, 1, 3),), (r(2, 2, 3),), (r(2, 1, 3),)], how="script", stateful=True, batch="none")
class StateCache(nn.Module):
    """A cache that grows from nothing."""

    def __init__(self):
        super().__init__()
        self.keys = torch.zeros(2, 0, 3)

    def forward(self, x):
        self.keys = torch.cat([self.keys, x], 1)
        return (x @ self.keys.transpose(1, 2)).softmax(-1)


@family("state_two", lambda: [(r(2, 3),), (r(2, 3),)], how="script", stateful=True, batch="none")
class StateTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.h, self.c, self.cell = torch.zeros(0), torch.zeros(0), nn.LSTMCell(3, 4)

    def forward(self, x):
        if self.h.numel() == 0:
            self.h = torch.zeros(x.size(0), 4)
            self.c = torch.zeros(x.size(0), 4)
        self.h, self.c = self.cell(x, (self.h, self.c))
        return self.h


@family("state_buffer", lambda: [(r(2, 3),), (r(4, 3),)], how="script", stateful=True, batch="none")
class StateBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.empty(0, 3))

    def forward(self, x):
        self.seen = torch.cat([self.seen, x])
        return self.seen.mean(0), self.seen.size(0)


@family("sums_of_nothing", AXES, how="both", batch="none")
class Sums(nn.Module):
    def forward(self, x):
        return x.sum(), x.sum(0), x.sum(-1), x.prod(1), x.mean(), x.mean(2), x.sum((0, 2)), x.nansum(1)


@family("spread_of_nothing", AXES, how="both", batch="none")
class Spread(nn.Module):
    def forward(self, x):
        return x.std(), x.var(0), x.std(-1, unbiased=False), x.norm(), x.norm(2, 1), x.logsumexp(0), x.median()


@family("truth_of_nothing", AXES, how="both", batch="none")
class Truth(nn.Module):
    def forward(self, x):
        b = x > 0
        return b.all(), b.any(), b.all(1), b.any(-1), x.count_nonzero(), x.count_nonzero(0), (x == x).all()


for name, take in (("max", lambda x: x.max(1)[0]), ("argmax", lambda x: x.argmax(1)), ("amin", lambda x: x.amin(1))):

    class Extreme(nn.Module):
        def __init__(self, take=take):
            super().__init__()
            self.take = take

        def forward(self, x):
            return self.take(x)

    family.add(f"{name}_of_nothing", Extreme, lambda: [(r(2, 3),), (r(0, 3),), (r(2, 0),)], batch="none", note="the third call raises")


@family("max_of_all", lambda: [(r(2, 3),), (r(0, 3),)], how="script", batch="none", note="the second call raises")
class MaxOfAll(nn.Module):
    def forward(self, x):
        return x.max()


@family("running_of_nothing", AXES, how="both", batch="none")
class Running(nn.Module):
    def forward(self, x):
        return x.cumsum(0), x.cumsum(2), x.cummax(0)[0], x.cumprod(1), x.softmax(1), x.log_softmax(-1), x.flip(0), x.diff(dim=0)


@family("moves", AXES, how="both", batch="none")
class Moves(nn.Module):
    def forward(self, x):
        b, c, d = x.shape
        return (
            x.reshape(b, c * d),
            x.flatten(),
            x.view(b * c, d),
            x.transpose(0, 2).reshape(d, c * b),
            torch.cat([x, x], 0),
            torch.stack([x, x], 1),
            x.permute(2, 0, 1).contiguous().view(d, b * c, 1),
            x.unsqueeze(1).expand(b, 2, c, d),
        )


@family("pieces", lambda: [(r(4, 3),), (r(0, 3),), (r(1, 3),)], how="both", batch="none")
class Pieces(nn.Module):
    def forward(self, x):
        return x[:2], x[-1:], x[1:], x[:, -1], x[x[:, 0] > 9], x[::2], torch.where(x > 0, x, -x), x.repeat(2, 1)


@family("last_step", lambda: [(r(2, 5, 3),), (r(1, 1, 3),)], how="both", batch="none")
class LastStep(nn.Module):
    def forward(self, x):
        return x[:, -1:].squeeze(1), x[:, -1:, :].transpose(0, 1)[0], x[-1:].squeeze(0)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm, self.embedding = nn.Linear(3, 4), nn.LayerNorm(4), nn.Embedding(5, 3)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

    def forward(self, x, i):
        y = self.norm(self.linear(x))
        return y, self.embedding(i), F.gelu(y), y @ y.transpose(-1, -2), torch.einsum("btc,bsc->bts", y, y)


def layer_calls():
    return [(r(b, t, 3), torch.zeros(b, t).long()) for b, t in ((2, 5), (0, 5), (2, 0), (1, 1))]


family.add("layers", Layers, layer_calls, how="both", batch="none")


class Planes(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)

    def forward(self, x):
        y = self.net(x)
        return self.head(self.pool(y).flatten(1)), F.interpolate(y, scale_factor=2.0), F.avg_pool2d(y, 2)


family.add("planes", Planes, lambda: [(r(2, 2, 8, 8),), (r(0, 2, 8, 8),), (r(1, 2, 8, 8),)], how="both", batch="none")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        q = x.unsqueeze(1)
        return F.scaled_dot_product_attention(q, q, q), self.attention(x, x, x, need_weights=False)[0]


family.add("attention", Attention, lambda: [(r(2, 5, 4),), (r(0, 5, 4),), (r(1, 2, 4),)], batch="none")


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 3, padding_idx=0)

    def forward(self, i):
        return self.table(i)


INDICES = lambda: [(torch.tensor([[0, 4], [2, 1]]),), (torch.tensor([[0, -1]]),), (torch.tensor([[5, 1]]),), (torch.zeros(0, 2).long(),)]
family.add("embedding_index", Lookup, INDICES, how="both", note="the second call raises, and the third")
family.add(
    "embedding_index_int32",
    Lookup,
    lambda: [(torch.tensor([0, 4, 2]).int(),), (torch.tensor([-5, 1]).int(),)],
    how="both",
    note="the second call raises",
)


class Packed(nn.Module):
    def __init__(self, enforce_sorted, batch_first=True):
        super().__init__()
        self.net = nn.LSTM(3, 4, batch_first=batch_first)
        self.enforce_sorted, self.batch_first = enforce_sorted, batch_first

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, self.batch_first, self.enforce_sorted)
        return nn.utils.rnn.pad_packed_sequence(self.net(packed)[0], self.batch_first)[0]


def lengths(*numbers):
    return (r(len(numbers), 5, 3), torch.tensor(numbers))


family.add("packed_lengths", lambda: Packed(False), lambda: [lengths(5, 3), lengths(2, 4, 1), lengths(3, 0)], how="both", note="the third call raises", batch="none")
family.add("packed_sorted", lambda: Packed(True), lambda: [lengths(5, 3), lengths(4, 4, 1), lengths(2, 4), lengths(4, -1)], how="both", note="the third call raises, and the fourth", batch="none")
family.add("packed_too_long", lambda: Packed(False), lambda: [lengths(5, 3), lengths(2, 6)], how="script", note="the second call raises", batch="none")
