"""Forms of weights in an archive: shared, strided, tied, of any type, and constants of the code."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("storage")
r = torch.randn


@family("shared", lambda: [(r(2, 8),), (r(3, 8),)], how="both", note="several weights of one storage")
class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        base = r(6, 8)
        self.register_buffer("head", base[:3])
        self.register_buffer("tail", base[3:])
        self.register_buffer("overlapping", base[1:5])
        self.register_buffer("whole", base)

    def forward(self, x):
        return x @ self.head.t(), x @ self.tail.t(), x @ self.overlapping.t(), x @ self.whole.t()


@family(
    "strided",
    lambda: [(r(2, 6),), (r(3, 6),)],
    how="both",
    note="transposed, stepped, expanded and channels-last weights",
)
class Strided(nn.Module):
    def __init__(self):
        super().__init__()
        base = r(8, 6)
        self.register_buffer("turned", base.t())
        self.register_buffer("stepped", base[::2, 1::2])
        self.register_buffer("expanded", r(1, 6).expand(4, 6))
        self.register_buffer("channels_last", r(2, 3, 2, 2).to(memory_format=torch.channels_last))

    def forward(self, x):
        return (
            x @ self.turned,
            x[:, :3] @ self.stepped.t(),
            x @ self.expanded.t(),
            self.channels_last.sum((2, 3)) * x[0, 0],
        )


@family(
    "tied",
    lambda: [(torch.randint(0, 6, (2, 3)),), (torch.randint(0, 6, (4, 2)),)],
    how="both",
    note="one parameter under two names, and a module used twice",
)
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head, self.mix = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False), nn.Linear(4, 4)
        self.head.weight = self.embed.weight
        self.again = self.mix

    def forward(self, ids):
        return self.head(self.again(torch.tanh(self.mix(self.embed(ids)))))


@family(
    "types",
    lambda: [(r(2, 4),), (r(3, 4),)],
    how="both",
    tolerance={"rtol": 1e-3, "atol": 1e-3},
    note="weights of every type, used as float32",
)
class Types(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", r(4).half())
        self.register_buffer("b", r(4).bfloat16())
        self.register_buffer("d", r(4).double())
        self.register_buffer("i", torch.tensor([1, -2, 3, 4], dtype=torch.int32))
        self.register_buffer("u", torch.tensor([1, 0, 255, 7], dtype=torch.uint8))
        self.register_buffer("s", torch.tensor([-300, 300, 0, 1], dtype=torch.int16))
        self.register_buffer("c", torch.tensor([-128, 127, 0, 1], dtype=torch.int8))
        self.register_buffer("m", torch.tensor([True, False, True, True]))

    def forward(self, x):
        return (
            x * self.h.float() + self.b.float(),
            x + self.d.float(),
            x * self.i,
            x - self.u,
            x + self.s,
            x * self.c.float(),
            x * self.m,
            x.masked_fill(self.m, 0.0),
        )


@family("constants", lambda: [(r(2, 3),), (r(4, 3),)], note="tensors that tracing found in the code's surroundings")
class Constants(nn.Module):
    table = torch.arange(9.0).view(3, 3)
    bias = torch.tensor([0.5, -0.5, 1.0])

    def forward(self, x):
        return x @ self.table + self.bias, torch.where(x > 0, self.bias, x)


@family("empty_weights", lambda: [(r(2, 3),), (r(4, 3),)], how="both", note="weights without elements and 0-d weights")
class EmptyWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("scalar", torch.tensor(2.5))
        self.register_buffer("absent", None)

    def forward(self, x):
        return torch.cat([x, self.nothing], 0), x * self.scalar


@family("odd_names", lambda: [(r(2, 3),), (r(4, 3),)], how="both", note="module names that are no identifiers")
class OddNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 3)))
        self.table = nn.ModuleDict({"a b": nn.Linear(3, 2), "0": nn.Tanh()})

    def forward(self, x):
        y = self.net(x)
        return self.table["a b"](y), self.table["0"](y)
