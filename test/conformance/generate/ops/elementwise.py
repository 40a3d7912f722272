"""Arithmetic, comparison, bitwise, rounding and special functions, element by element."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("elementwise")


def pairs(*shapes):
    """Calls of two float tensors with one shape, or with a pair of shapes that broadcast."""

    def make():
        both = [shape if isinstance(shape[0], tuple) else (shape, shape) for shape in shapes]
        return [(torch.randn(*a), torch.randn(*b)) for a, b in both]

    return make


def positive(*shapes):
    return lambda: [(torch.rand(*shape) * 3 + 0.1,) for shape in shapes]


def normal(*shapes):
    return lambda: [(torch.randn(*shape) * 3,) for shape in shapes]


@family("arithmetic", pairs((3, 4), (2, 4), ((5, 1, 3), (4, 1))))
class Arithmetic(nn.Module):
    def forward(self, x, y):
        return (
            x + y,
            x - y,
            x * y,
            x / y,
            torch.add(x, y, alpha=2),
            torch.sub(x, y, alpha=0.5),
            torch.rsub(x, y),
            torch.neg(x),
        )


@family("scalars", normal((3, 4), (2, 5)), how="both")
class Scalars(nn.Module):
    def forward(self, x):
        return (
            x + 2,
            2.5 - x,
            x * 3,
            x / 4,
            1 / (x * x + 1),
            torch.rsub(x, 3.0, alpha=2),
            torch.add(x, 1, alpha=3),
            x**2,
        )


@family("powers", positive((3, 4), (2, 5)))
class Powers(nn.Module):
    def forward(self, x):
        return (
            x**2,
            x**-0.5,
            torch.pow(2.0, x),
            torch.pow(x, x),
            torch.sqrt(x),
            torch.rsqrt(x),
            torch.square(x),
            torch.reciprocal(x),
        )


@family("negative_powers", lambda: [(torch.tensor([-2.0, -1.0, 0.5, 3.0]), torch.tensor([3, 2, 1, 0]))])
class NegativePowers(nn.Module):
    def forward(self, x, n):
        return x**3, x**n, torch.float_power(x, 2), torch.pow(n, 2), torch.pow(n, n), x**0, n**2.5


@family("exponentials", positive((3, 4), (2, 5)))
class Exponentials(nn.Module):
    def forward(self, x):
        return (
            torch.exp(x),
            torch.log(x),
            torch.log2(x),
            torch.log10(x),
            torch.log1p(x),
            torch.expm1(x),
            torch.exp2(x),
            torch.special.xlog1py(x, x),
        )


@family("trigonometry", lambda: [(torch.rand(3, 4) * 1.8 - 0.9,), (torch.rand(2, 5) * 1.8 - 0.9,)])
class Trigonometry(nn.Module):
    def forward(self, x):
        return (
            torch.sin(x),
            torch.cos(x),
            torch.tan(x),
            torch.asin(x),
            torch.acos(x),
            torch.atan(x),
            torch.atan2(x, 0.1 - x),
        )


@family("hyperbolics", lambda: [(torch.rand(3, 4) * 1.8 - 0.9,), (torch.rand(2, 5) * 1.8 - 0.9,)])
class Hyperbolics(nn.Module):
    def forward(self, x):
        return (
            torch.sinh(x),
            torch.cosh(x),
            torch.tanh(x),
            torch.asinh(x),
            torch.acosh(x + 2),
            torch.atanh(x),
            torch.hypot(x, x + 1),
        )


@family("special_functions", positive((3, 4), (2, 5)))
class SpecialFunctions(nn.Module):
    def forward(self, x):
        return (
            torch.erf(x),
            torch.erfc(x),
            torch.logit(x / 4),
            torch.logaddexp(x, x * 2),
            torch.xlogy(x, x),
            torch.sinc(x),
            torch.deg2rad(x),
        )


@family(
    "rounding",
    lambda: [(torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, -1.2, 3.7]),), (torch.randn(2, 5) * 4,)],
    how="both",
)
class Rounding(nn.Module):
    def forward(self, x):
        return (
            torch.floor(x),
            torch.ceil(x),
            torch.round(x),
            torch.trunc(x),
            torch.frac(x),
            torch.sign(x),
            torch.abs(x),
            torch.round(x, decimals=1),
        )


@family(
    "float_division",
    lambda: [(torch.randn(3, 4) * 5, torch.randn(3, 4)), (torch.randn(2, 4) * 5, torch.randn(1, 4))],
    how="both",
)
class FloatDivision(nn.Module):
    def forward(self, x, y):
        return (
            x // y,
            x % y,
            torch.fmod(x, y),
            torch.remainder(x, y),
            torch.div(x, y, rounding_mode="floor"),
            torch.div(x, y, rounding_mode="trunc"),
            torch.floor_divide(x, 2.0),
            torch.remainder(x, -1.5),
        )


INTEGERS = lambda: [
    (torch.tensor([-7, -6, 7, 6, 0]), torch.tensor([2, -4, -2, 4, 3])),
    (torch.tensor([[-9, 8]]), torch.tensor([[4], [-3], [1]])),
]


@family("integer_division", INTEGERS, how="both", note="floor and truncation differ for negative numbers")
class IntegerDivision(nn.Module):
    def forward(self, x, y):
        return (
            x // y,
            x % y,
            torch.fmod(x, y),
            x / y,
            torch.div(x, y, rounding_mode="floor"),
            torch.div(x, y, rounding_mode="trunc"),
            x // 2,
            x % -3,
        )


@family("integer_arithmetic", INTEGERS)
class IntegerArithmetic(nn.Module):
    def forward(self, x, y):
        return (
            x + y,
            x - y,
            x * y,
            -x,
            x.abs(),
            torch.sign(x),
            torch.maximum(x, y),
            torch.gcd(x, y).abs() * 0 + torch.minimum(x, y),
        )


@family("comparisons", pairs((3, 4), ((2, 1, 4), (3, 1))), how="both")
class Comparisons(nn.Module):
    def forward(self, x, y):
        return x < y, x <= y, x > y, x >= y, x == y, x != y, torch.isclose(x, x + 1e-9), torch.eq(x.round(), y.round())


@family(
    "scalar_comparisons",
    lambda: [(torch.randn(3, 4), torch.tensor([[1, 2], [3, 4]])), (torch.randn(2, 2), torch.tensor([[3, 0]]))],
)
class ScalarComparisons(nn.Module):
    def forward(self, x, n):
        return x < 0, x >= 0.5, x == 0, n > 2, n <= 2.5, n == 3, n != 1, n < x.sum()


@family(
    "logical",
    lambda: [
        (
            torch.tensor([True, True, False, False]),
            torch.tensor([True, False, True, False]),
            torch.tensor([0.0, 1.5, -2.0, 0.0]),
        )
    ],
    how="both",
)
class Logical(nn.Module):
    def forward(self, a, b, x):
        return (
            torch.logical_and(a, b),
            torch.logical_or(a, x),
            torch.logical_xor(a, b),
            torch.logical_not(x),
            a & b,
            a | b,
            a ^ b,
            ~a,
        )


@family("bitwise", lambda: [(torch.tensor([5, -3, 12, 0]), torch.tensor([3, 6, -1, 7]))])
class Bitwise(nn.Module):
    def forward(self, x, y):
        return x & y, x | y, x ^ y, ~x, x << 2, x >> 1, x & 6, torch.bitwise_left_shift(x, y.clamp(min=0))


@family(
    "bitwise_bytes",
    lambda: [(torch.tensor([5, 255, 12, 0], dtype=torch.uint8), torch.tensor([3, 6, 200, 7], dtype=torch.uint8))],
)
class BitwiseBytes(nn.Module):
    def forward(self, x, y):
        return x & y, x | y, x ^ y, ~x, x >> 1, x + y, x * y, x // 3


@family("extremes", pairs((3, 4), (2, 4)))
class Extremes(nn.Module):
    def forward(self, x, y):
        return (
            torch.maximum(x, y),
            torch.minimum(x, y),
            torch.max(x, y),
            torch.min(x, y),
            torch.fmax(x, y),
            torch.clamp(x, min=y - 1, max=y + 1),
            torch.clip(x, 0.0, 0.5),
            torch.clamp(x, max=0.2),
        )


@family("not_numbers", lambda: [(torch.tensor([1.0, float("nan"), float("inf"), float("-inf"), -0.0]),)], how="both")
class NotNumbers(nn.Module):
    def forward(self, x):
        return (
            torch.isnan(x),
            torch.isinf(x),
            torch.isfinite(x),
            torch.nan_to_num(x),
            torch.nan_to_num(x, 0.5, 9.0, -9.0),
            torch.maximum(x, x * 0 + 2),
            x == x,
            torch.isposinf(x),
        )


@family(
    "blends",
    lambda: [
        (torch.randn(3, 4), torch.randn(3, 4), torch.rand(3, 4) + 0.5),
        (torch.randn(2, 4), torch.randn(2, 4), torch.rand(2, 4) + 0.5),
    ],
    how="both",
)
class Blends(nn.Module):
    def forward(self, x, y, w):
        return (
            torch.lerp(x, y, 0.3),
            torch.lerp(x, y, w),
            torch.addcmul(x, y, w, value=0.5),
            torch.addcdiv(x, y, w, value=2.0),
            torch.where(x > y, x, w),
            torch.where(x > 0, x, 0.25),
            torch.copysign(x, y),
            torch.heaviside(x, w),
        )


@family("in_place_arithmetic", pairs((3, 4), (2, 4)), how="both")
class InPlaceArithmetic(nn.Module):
    def forward(self, x, y):
        a = x.clone()
        a += y
        a *= 2
        b = x.clone().sub_(y, alpha=2).div_(3)
        c = x.clone().pow_(2).add_(1e-3).sqrt_()
        d = x.clone().clamp_(0, 1).neg_().exp_()
        e = (x + y).abs_().log1p_().reciprocal_()
        f = x.clone().floor_().addcmul_(x, y, value=0.1).lerp_(y, 0.5)
        return a, b, c, d, e, f


@family("float64", lambda: [(torch.randn(3, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64) + 0.5)])
class Float64(nn.Module):
    def forward(self, x, y):
        return x + y, x * y / 3, x**2, torch.exp(x) - 1e-12, torch.log(y), torch.sqrt(y), x % y, torch.sin(x)


@family(
    "half_precision",
    lambda: [(torch.randn(3, 4).half(), torch.randn(3, 4).bfloat16())],
    tolerance={"rtol": 1e-2, "atol": 1e-2},
    note="float16 and bfloat16 inputs; results come back as float32",
)
class HalfPrecision(nn.Module):
    def forward(self, x, y):
        return (
            (x + x).float(),
            (x * 2.5).float(),
            torch.sigmoid(x).float(),
            (y * y).float(),
            (y + 1).float(),
            x.float() + y.float(),
            (x + y),
        )


@family("half_results", lambda: [(torch.randn(3, 4),)], tolerance={"rtol": 2e-3, "atol": 2e-3}, note="float16 results")
class HalfResults(nn.Module):
    def forward(self, x):
        return x.half(), (x * 2).to(torch.float16) + 1, torch.relu(x.half())
