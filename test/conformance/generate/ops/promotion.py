"""Result types of mixed operands: tensor, 0-d tensor and Python scalar, in every pair of the common types."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("promotion")


def columns():
    """One tensor of each type and 0-d tensors of int64, float32 and float64."""
    return [
        (
            torch.tensor([1.5, -2.5, 3.0]),
            torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64),
            torch.tensor([4, -5, 6]),
            torch.tensor([7, 8, -9], dtype=torch.int32),
            torch.tensor([250, 3, 9], dtype=torch.uint8),
            torch.tensor([True, False, True]),
        )
    ]


def with_zero_dims():
    return [columns()[0][:4] + (torch.tensor(3), torch.tensor(2.5), torch.tensor(1.25, dtype=torch.float64))]


@family("floats", columns)
class Floats(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return f + d, f + l, f * i, f - u, f * b, d + l, d / i, d * u


@family("integers", columns)
class Integers(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return l + i, l * u, l + b, i + u, i * b, u + u, u + b, b + b


@family("python_scalars", columns, how="both")
class PythonScalars(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return f + 1, l + 1.5, i * 2, u + 1, b + 1, b * 2.5, d + 1, u * 0.5


@family("true_division", columns, how="both")
class TrueDivision(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return l / 2, i / l, u / 2, b / 2, 1 / l, f / l, torch.div(u, i), l / 2.0


@family(
    "zero_dims", with_zero_dims, how="both", note="a 0-d tensor does not raise the type of a tensor of the same kind"
)
class ZeroDims(nn.Module):
    def forward(self, f, d, l, i, n, s, t):
        return f + n, f + s, f * t, i + n, l + s, l * t, i + s, n + s


@family("zero_dims_together", with_zero_dims)
class ZeroDimsTogether(nn.Module):
    def forward(self, f, d, l, i, n, s, t):
        return n + t, s + t, n / 2, n // 2, n * 1.5, s * 2, f.sum() + l.sum(), i.sum() * f.max()


@family("comparisons", columns)
class Comparisons(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return f > l, d == f, l >= 1.5, u > i, b == l, b > 0, torch.maximum(f, d), torch.minimum(l, i)


@family("joins", columns, how="both", note="cat, stack and where promote as well")
class Joins(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return (
            torch.cat([f, d]),
            torch.cat([l, f]),
            torch.stack([i, l]),
            torch.where(b, f, d),
            torch.where(b, l, i),
            torch.where(b, l, 0.5),
            torch.where(b, f, l),
        )


@family("casts", columns)
class Casts(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return (
            f.long(),
            f.int(),
            f.bool(),
            l.float(),
            d.to(torch.float32),
            b.to(torch.int64),
            f.type_as(d),
            l.to(u.dtype),
        )


@family("narrow_casts", lambda: [(torch.tensor([1.7, -1.7, 100.2, 0.0]), torch.tensor([300, -1, 127, 0]))])
class NarrowCasts(nn.Module):
    def forward(self, f, l):
        return (
            f.to(torch.int8),
            l.to(torch.int32),
            f.to(torch.int16),
            f.abs().to(torch.uint8),
            l.to(torch.uint8),
            l.to(torch.int8),
            f.double().half().float(),
        )


@family("reductions", columns, note="sums of narrow integers and booleans are int64")
class Reductions(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return (
            i.sum(),
            u.sum(),
            b.sum(),
            l.float().mean(),
            i.sum(dtype=torch.float32),
            u.prod(),
            torch.cumsum(b, 0),
            f.sum(dtype=torch.float64),
        )


@family("functions", columns, note="functions of integers give floats")
class Functions(nn.Module):
    def forward(self, f, d, l, i, u, b):
        return (
            torch.exp(i),
            torch.sqrt(u),
            torch.sigmoid(l),
            torch.sin(b),
            l**2,
            l**0.5,
            torch.pow(2, i.abs()),
            torch.abs(i),
        )


@family("in_place", columns, how="both", note="an in-place operator keeps its own type")
class InPlace(nn.Module):
    def forward(self, f, d, l, i, u, b):
        a, c, e, g = f.clone(), i.clone(), u.clone(), f.clone()
        a += d
        c += l
        e *= 2
        g[0] = l[2]
        h = f.clone()
        h.copy_(l)
        k = l.clone()
        k.fill_(3)
        return a, c, e, g, h, k


TYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "f16": torch.float16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
}


class Table(nn.Module):
    """One row of the promotion table: the first argument with each of the others."""

    def forward(self, x, f32, f64, f16, i64, i32, i8, u8, b):
        return x + f32, x + f64, x + f16, x + i64, x + i32, x + i8, x + u8, x + b


def table_row(dtype, scalars):
    shape = () if scalars else (2,)
    return lambda: [(torch.tensor([1, 3]).to(dtype), *(torch.full(shape, 2).to(other) for other in TYPES.values()))]


for name, dtype in TYPES.items():
    family.add(f"table_{name}", Table, table_row(dtype, False), tolerance={"rtol": 1e-3, "atol": 1e-3})
    family.add(f"table_{name}_zero_dims", Table, table_row(dtype, True), tolerance={"rtol": 1e-3, "atol": 1e-3})
