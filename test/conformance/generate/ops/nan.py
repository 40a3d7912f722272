"""NaN and infinities where PyTorch treats them in its own way: extremes, order, limits, pooling, running values, activations."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("nan")
r = torch.randn
NAN, INF = float("nan"), float("inf")


def holes(*shape, dtype=torch.float32):
    """Random numbers of which some are NaN and some infinite."""
    x = r(*shape)
    kind = torch.randint(0, 9, shape)
    return x.masked_fill(kind == 0, NAN).masked_fill(kind == 1, INF).masked_fill(kind == 2, -INF).to(dtype)


def rows(*shape, dtype=torch.float32):
    """Two calls of different sizes, and one in which all numbers are NaN."""
    first, *rest = shape
    return lambda: [
        (holes(first, *rest, dtype=dtype),),
        (holes(first + 3, *rest, dtype=dtype),),
        (torch.full(shape, NAN, dtype=dtype),),
    ]


class Extremes(nn.Module):
    def forward(self, x):
        a, b = torch.aminmax(x, dim=1)
        return x.max(), x.min(), x.amax(1), x.amin((0, 1), keepdim=True), x.amax(), a, b, torch.aminmax(x)[0]


class ExtremesOfAxis(nn.Module):
    def forward(self, x):
        v, i = x.max(1)
        w, j = torch.min(x, dim=-1, keepdim=True)
        u, k = x.max(0)
        return v, i, w, j, u, k


class Positions(nn.Module):
    def forward(self, x):
        return x.argmax(), x.argmin(), x.argmax(1), x.argmin(-1, keepdim=True), x.argmax(0), torch.argmax(x.reshape(-1), 0)


class Order(nn.Module):
    def forward(self, x):
        v, i = torch.sort(x, dim=1, stable=True)
        w, j = torch.sort(x, dim=-1, descending=True, stable=True)
        return v, i, w, j, torch.argsort(x, dim=0, stable=True), torch.msort(x)


class Top(nn.Module):
    def forward(self, x):
        v, _ = x.topk(3)
        w, _ = x.topk(2, largest=False)
        u, _ = x.topk(2, dim=1)
        return v, w, u, x.topk(4, dim=-1, largest=False)[0], torch.isnan(x.topk(2, sorted=False)[0]).sum(-1)


class Middle(nn.Module):
    def forward(self, x):
        v, _ = x.median(1)
        w, _ = x.median(-1, keepdim=True)
        return v, w, x.median(), torch.kthvalue(x, 2, -1)[0], torch.kthvalue(x, 4, -1)[0]


class Limits(nn.Module):
    def forward(self, x):
        low, high = torch.full_like(x, -0.5), torch.full_like(x, 0.5)
        return (
            x.clamp(-0.5, 0.5),
            x.clamp(min=0.1),
            x.clamp(max=0.1),
            torch.clamp(x, low, high),
            torch.clamp(low, x, high),
            torch.clamp(low, high, x),
            F.hardtanh(x),
            F.relu6(x),
        )


class LimitsOfNan(nn.Module):
    def forward(self, x):
        return x.clamp(float("nan"), 1.0), x.clamp(0.0, float("nan")), x.clamp_min(float("nan")), x.clamp(0.5, -0.5)


class Pairs(nn.Module):
    def forward(self, x):
        y = x.flip(0)
        z = torch.zeros_like(x)
        return (
            torch.maximum(x, y),
            torch.minimum(x, z),
            torch.max(x, y),
            torch.min(z, x),
            torch.fmax(x, y),
            torch.fmin(x, y),
            torch.maximum(x[:1], x),
        )


class Running(nn.Module):
    def forward(self, x):
        v, i = x.cummax(1)
        w, j = x.cummin(-1)
        return v, i, w, j, x.cumsum(1), x.cumprod(-1)


class RunningRows(nn.Module):
    def forward(self, x):
        v, i = x.cummax(0)
        w, j = x.cummin(0)
        return v, i, w, j


class Spread(nn.Module):
    def forward(self, x):
        v, _ = torch.var_mean(x, dim=1)
        return x.std(1), x.std(), x.var(-1, unbiased=False), v, (x.nan_to_num(0.0, 3e38, -3e38)).std(1), x.mean(1), x.nansum(1), x.nanmean(1)


class Norms(nn.Module):
    def forward(self, x):
        most, least = torch.linalg.vector_norm(x, float("inf"), 1), torch.linalg.vector_norm(x, float("-inf"), -1)
        ones, count = torch.linalg.vector_norm(x, 1, 1), torch.linalg.vector_norm(x, 0, 1)
        return most, least, ones, count, torch.linalg.vector_norm(x, 2), F.normalize(x, dim=1), x.norm(p=float("inf"))


class Pool1(nn.Module):
    def forward(self, x):
        v, i = F.max_pool1d(x, 3, 2, 1, return_indices=True)
        return F.max_pool1d(x, 2), F.max_pool1d(x, 3, 2, 1, ceil_mode=True), v, i, F.avg_pool1d(x, 2), F.lp_pool1d(x, 2, 2)


class Pool2(nn.Module):
    def forward(self, x):
        v, i = F.max_pool2d(x, 3, 1, 1, return_indices=True)
        return (
            F.max_pool2d(x, 2),
            F.max_pool2d(x, (3, 2), (2, 1), (1, 0), dilation=(1, 2)),
            F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
            v,
            i,
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 2, divisor_override=3),
        )


class LowPool(nn.Module):
    """Windows of nothing but -Infinity."""

    def forward(self, x, y, z):
        return (
            F.max_pool1d(x, 3, 2, 1),
            F.max_pool1d(x, 2),
            F.max_pool2d(y, 3, 2, 1),
            F.max_pool2d(y, (6, 7)),
            F.max_pool2d(y, 2),
            F.max_pool3d(z, 2),
            F.adaptive_max_pool2d(y, 1),
            F.adaptive_max_pool1d(x, 1),
        )


class ReluPool(nn.Module):
    def forward(self, x):
        return F.max_pool2d(F.relu(x), 3, 2, 1), F.max_pool2d(x.clone().relu_(), 2), F.max_pool2d(F.leaky_relu(x), 2)


class Pool3(nn.Module):
    def forward(self, x):
        v, i = F.max_pool3d(x, 2, return_indices=True)
        return F.max_pool3d(x, 3, 2, 1), v, i, F.avg_pool3d(x, 2)


class AdaptivePool(nn.Module):
    def forward(self, x):
        v, i = F.adaptive_max_pool2d(x, (2, 3), return_indices=True)
        return (
            F.adaptive_max_pool2d(x, 1),
            F.adaptive_max_pool2d(x, 2),
            v,
            i,
            F.adaptive_avg_pool2d(x, 1),
            F.adaptive_avg_pool2d(x, (4, 5)),
            F.adaptive_avg_pool2d(x, (2, 4)),
        )


class AdaptivePool1(nn.Module):
    def forward(self, x):
        return F.adaptive_max_pool1d(x, 3), F.adaptive_avg_pool1d(x, 3), F.adaptive_avg_pool1d(x, 5)


class Rectifiers(nn.Module):
    def forward(self, x):
        return (
            F.relu(x),
            F.leaky_relu(x, 0.1),
            F.threshold(x, 0.1, 20.0),
            F.softshrink(x),
            F.hardshrink(x),
            F.rrelu(x),
            F.prelu(x, torch.tensor([0.25], dtype=x.dtype)),
            F.tanhshrink(x),
        )


class Gates(nn.Module):
    def forward(self, x):
        finite = x.masked_fill(x.isinf(), 3.0)  # PyTorch's own GELU of an infinity depends on the processor
        return F.gelu(finite), F.gelu(finite, approximate="tanh"), F.silu(x), F.mish(x), F.hardswish(x), F.hardsigmoid(x), x.sigmoid(), x.tanh()


class Curves(nn.Module):
    def forward(self, x):
        return F.elu(x), F.selu(x), F.celu(x, 0.7), F.softplus(x), F.logsigmoid(x), F.softsign(x), F.softplus(x, 2.0, 5.0), F.glu(x)


class Sums(nn.Module):
    def forward(self, x):
        return (
            x.softmax(-1),
            x.log_softmax(1),
            x.logsumexp(1),
            x.logcumsumexp(1),
            x.sum(1),
            x.prod(1),
            x.softmax(0),
            torch.logaddexp(x, x.flip(1)),
        )


class Kinds(nn.Module):
    def forward(self, x):
        return (
            x.nan_to_num(),
            x.nan_to_num(1.0, 2.0, 3.0),
            x.isnan(),
            x.isfinite(),
            torch.sign(x),
            torch.sgn(x),
            torch.signbit(x.masked_fill(x.isnan(), 0.0)),
            x.isposinf(),
        )


class Rounding(nn.Module):
    def forward(self, x):
        return x.round(), x.floor(), x.ceil(), x.trunc(), x.frac(), x.abs(), x.neg(), torch.heaviside(x, torch.zeros_like(x))


class Remainders(nn.Module):
    def forward(self, x):
        y = torch.full_like(x, 0.75)
        return torch.fmod(x, 0.75), torch.remainder(x, 0.75), x / y, torch.floor_divide(x, 0.75), torch.fmod(y, x), torch.remainder(y, x)


class Powers(nn.Module):
    def forward(self, x):
        return x.pow(2), x.pow(0.5), x.sqrt(), x.rsqrt(), x.exp(), x.log(), x.log1p(), x.expm1()


class Waves(nn.Module):
    def forward(self, x):
        return x.sin(), x.cos(), x.atan(), x.erf(), x.reciprocal(), torch.atan2(x, torch.ones_like(x)), torch.hypot(x, x.flip(0)), x.asinh()


class Comparisons(nn.Module):
    def forward(self, x):
        y = x.flip(0)
        return x == y, x != y, x < y, x >= y, torch.isclose(x, x), torch.isclose(x, x, equal_nan=True), x > 0, x.to(torch.bool)


class Choices(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, -x), x.masked_fill(x.isnan(), 3.0), torch.lerp(x, x.flip(0), 0.25), x.any(1), x.all(1), x.count_nonzero(1)


class Scatters(nn.Module):
    def forward(self, x):
        index = torch.zeros_like(x).long()
        zeros = torch.zeros_like(x)
        return (
            zeros.scatter_reduce(1, index, x, "amax"),
            zeros.scatter_reduce(1, index, x, "amin", include_self=False),
            zeros.scatter_reduce(1, index, x, "sum"),
            zeros.scatter_add(1, index, x),
        )


class Norming(nn.Module):
    def __init__(self):
        super().__init__()
        self.batch, self.layer, self.group = nn.BatchNorm1d(5), nn.LayerNorm(6), nn.GroupNorm(1, 5)
        self.instance = nn.InstanceNorm1d(5)

    def forward(self, x):
        return self.batch(x), self.layer(x), self.group(x), self.instance(x)


class Resize(nn.Module):
    def forward(self, x):
        return F.interpolate(x, scale_factor=2.0), F.interpolate(x, scale_factor=2.0, mode="bilinear"), F.pad(x, (1, 1, 1, 1)), F.unfold(x, 2)


TWO, THREE, PLANE = (4, 6), (2, 5, 6), (2, 3, 8, 7)
for name, module, shape in (
    ("extremes", Extremes, THREE),
    ("extremes_of_axis", ExtremesOfAxis, THREE),
    ("positions", Positions, THREE),
    ("order", Order, THREE),
    ("top", Top, THREE),
    ("middle", Middle, THREE),
    ("limits", Limits, THREE),
    ("limits_of_nan", LimitsOfNan, TWO),
    ("pairs", Pairs, THREE),
    ("running", Running, THREE),
    ("running_rows", RunningRows, THREE),
    ("spread", Spread, THREE),
    ("norms", Norms, THREE),
    ("pool1", Pool1, (2, 3, 9)),
    ("pool2", Pool2, PLANE),
    ("pool3", Pool3, (1, 2, 4, 5, 6)),
    ("adaptive_pool", AdaptivePool, PLANE),
    ("adaptive_pool1", AdaptivePool1, (2, 3, 9)),
    ("rectifiers", Rectifiers, THREE),
    ("gates", Gates, THREE),
    ("curves", Curves, THREE),
    ("sums", Sums, THREE),
    ("kinds", Kinds, THREE),
    ("rounding", Rounding, THREE),
    ("remainders", Remainders, THREE),
    ("powers", Powers, THREE),
    ("waves", Waves, THREE),
    ("comparisons", Comparisons, THREE),
    ("choices", Choices, THREE),
    ("scatters", Scatters, TWO),
    ("norming", Norming, THREE),
    ("resize", Resize, PLANE),
):
    family.add(name, module, rows(*shape), how="both", batch="none")
def masked(*shape):
    return r(*shape).masked_fill(torch.arange(shape[-1]) > 2, -INF)


family.add(
    "pool_low",
    LowPool,
    lambda: [(masked(2, 3, 9), masked(2, 3, 8, 7), masked(1, 2, 4, 5, 6)), (masked(1, 3, 6), masked(1, 1, 6, 8), masked(1, 1, 4, 4, 8))],
    how="both",
    batch="none",
)
family.add("pool_relu", ReluPool, rows(*PLANE), how="both", batch="none")
for name, module, shape in (
    ("extremes", Extremes, THREE),
    ("extremes_of_axis", ExtremesOfAxis, THREE),
    ("positions", Positions, THREE),
    ("order", Order, THREE),
    ("limits", Limits, THREE),
    ("pairs", Pairs, THREE),
    ("running", Running, THREE),
    ("pool2", Pool2, PLANE),
    ("adaptive_pool", AdaptivePool, PLANE),
    ("rectifiers", Rectifiers, THREE),
    ("gates", Gates, THREE),
    ("curves", Curves, THREE),
):
    family.add(f"{name}_double", module, rows(*shape, dtype=torch.float64), batch="none")
for name, module, shape in (
    ("extremes", Extremes, THREE),
    ("extremes_of_axis", ExtremesOfAxis, THREE),
    ("positions", Positions, THREE),
    ("order", Order, THREE),
    ("limits", Limits, THREE),
    ("pairs", Pairs, THREE),
    ("running", Running, THREE),
):
    family.add(f"{name}_half", module, rows(*shape, dtype=torch.float16), how="script", batch="none")
