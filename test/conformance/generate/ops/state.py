"""Scripted modules that change their own attributes from call to call."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("state")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **options)


@scripted(
    "stateful_sum",
    lambda: [(r(2, 3),), (r(2, 3),), (r(2, 3),)],
    stateful=True,
    batch="none",
    note="a running sum kept in a buffer; calls follow each other",
)
class StatefulSum(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3))
        self.calls = 0

    def forward(self, x):
        self.total = self.total + x.sum(0)
        self.calls += 1
        return self.total, self.calls


@scripted(
    "stateful_in_place",
    lambda: [(r(2, 3),), (r(2, 3),)],
    stateful=True,
    batch="none",
    note="the buffer is written in place",
)
class StatefulInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(3))

    def forward(self, x):
        self.average.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return x - self.average


@scripted(
    "voice_activity",
    lambda: [(r(1, 16), 16000), (r(1, 16), 16000), (r(2, 8), 8000), (r(2, 8), 8000)],
    stateful=True,
    batch="none",
    note="state and context between calls, reset when the batch or the rate changes, as voice activity detectors do",
)
class VoiceActivity(nn.Module):
    def __init__(self):
        super().__init__()
        self.filter = nn.Conv1d(1, 4, 4, stride=4)
        self.cell, self.head = nn.LSTMCell(4, 4), nn.Linear(4, 1)
        self.h, self.c, self.context = torch.zeros(0), torch.zeros(0), torch.zeros(0)
        self.last_rate = 0
        self.last_batch = 0

    @torch.jit.export
    def reset(self, batch: int):
        self.h = torch.zeros(batch, 4)
        self.c = torch.zeros(batch, 4)
        self.context = torch.zeros(batch, 4)

    def forward(self, x, rate: int):
        if rate != 16000 and rate % 8000 != 0:
            raise ValueError(f"unsupported rate {rate}")
        if self.last_rate != rate or self.last_batch != x.size(0):
            self.reset(x.size(0))
        x = torch.cat([self.context, x], dim=1)
        self.context = x[:, -4:]
        features = torch.relu(self.filter(x.unsqueeze(1))).mean(-1)
        self.h, self.c = self.cell(features, (self.h, self.c))
        self.last_rate = rate
        self.last_batch = x.size(0)
        return torch.sigmoid(self.head(self.h))
