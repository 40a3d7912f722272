"""float16 and bfloat16: operators compute in float32 and round each result."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("half")
r = torch.randn
EXACT = {"rtol": 1e-6, "atol": 1e-6}
# One step of the last bit may differ where PyTorch adds in another order.
STEP = {torch.float16: {"rtol": 2e-3, "atol": 1e-4}, torch.bfloat16: {"rtol": 8e-3, "atol": 1e-3}}


def rows(*shape):
    return lambda: [(r(*shape),), (r(shape[0] + 3, *shape[1:]) * 10,)]


class Sums(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        return (h + 1).float(), (h - 0.1).float(), (h * 1.1).float(), (h / 3).float(), (h + h * h).float(), (1 - h).float()


class Chains(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        y = h
        for _ in range(8):
            y = y * 1.01 + 0.003
        z = torch.zeros_like(h)
        for i in range(20):
            z += h[:, i % 5 : i % 5 + 1]
        return y.float(), z.float(), (h * h - h * h * 0.999).float()


class Functions(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        return (
            h.sigmoid().float(),
            h.abs().sqrt().float(),
            F.relu(h).float(),
            F.leaky_relu(h, 0.1).float(),
            h.neg().float(),
            h.clamp(-0.7, 0.7).float(),
            torch.where(h > 0.5, h, h * 2).float(),
            h.pow(2).float(),
        )


class Kept(nn.Module):
    """Returns 16-bit tensors."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        return h + 1, torch.cat([h, h * 3], 1), h.transpose(0, 1), h[:, 1:] * 0.3


class Mixed(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        scalar = torch.tensor(0.3)
        return (h * scalar).float(), h + x, (h * torch.ones(5).long()).float(), (h > 0.1), h.double() + 1e-9


class InPlace(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        y = h.clone()
        y.add_(0.01).mul_(1.25)
        y[:, 0] += 0.3
        z = h.clone()
        z.copy_(x * 1.001)
        return y.float(), z.float(), F.dropout(h, 0.5, False).float()


class Layers(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(5, 6), nn.LayerNorm(6), nn.Linear(6, 4)
        self.to(dtype)
        self.dtype = dtype

    def forward(self, x):
        h = self.first(x.to(self.dtype))
        y = self.norm(h)
        return h.float(), y.float(), self.second(F.gelu(y)).float(), h.softmax(-1).float()


class Reductions(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        h = x.to(self.dtype)
        return h.sum(1).float(), h.mean(1).float(), h.amax(1).float(), h.sum(1, dtype=torch.float32), h.max(1)[0].float()


class Autocast(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 3)
        self.conv = nn.Conv1d(1, 2, 3)

    def forward(self, x):
        with torch.autocast("cpu", self.dtype):
            y = self.first(x)
            z = self.second(F.relu(y)) + 1
            return y, z, self.conv(x[:, None]), (z @ z.transpose(0, 1)).softmax(-1)


class Convolutions(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 1))
        self.to(dtype)
        self.dtype = dtype

    def forward(self, x):
        return self.net(x.to(self.dtype)).float(), F.avg_pool2d(x.to(self.dtype), 2).float()


class Constants(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        c = torch.full((5,), 0.1, dtype=self.dtype)
        return c.float(), (x.to(self.dtype) + c).float(), torch.tensor(0.7, dtype=self.dtype).float(), x.to(self.dtype).fill_(0.3).float()


for dtype, short in ((torch.bfloat16, "bfloat16"), (torch.float16, "float16")):
    for name, module, tolerance, calls in (
        ("sums", Sums, EXACT, rows(4, 5)),
        ("chains", Chains, EXACT, rows(4, 5)),
        ("functions", Functions, EXACT, rows(4, 5)),
        ("kept", Kept, EXACT, rows(4, 5)),
        ("mixed", Mixed, EXACT, rows(4, 5)),
        ("in_place", InPlace, EXACT, rows(4, 5)),
        ("constants", Constants, EXACT, rows(4, 5)),
        ("reductions", Reductions, STEP[dtype], rows(4, 5)),
        ("layers", Layers, STEP[dtype], rows(4, 5)),
        ("convolutions", Convolutions, STEP[dtype], rows(2, 2, 8, 8)),
    ):
        family.add(f"{name}_{short}", lambda module=module, dtype=dtype: module(dtype), calls, how="both", tolerance=tolerance, batch="none")
    family.add(f"autocast_{short}", lambda dtype=dtype: Autocast(dtype), rows(4, 5), tolerance=STEP[dtype], batch="none")
