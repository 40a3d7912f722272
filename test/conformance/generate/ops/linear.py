"""Matrix products and linear algebra."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("linear")
r = torch.randn


@family("linear", lambda: [(r(2, 4),), (r(3, 5, 4),), (r(4),)], how="script", note="one archive, inputs of three ranks")
class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.biased, self.plain = nn.Linear(4, 3), nn.Linear(4, 5, bias=False)

    def forward(self, x):
        return self.biased(x), self.plain(x), F.linear(x, self.plain.weight)


@family("linear_ranks", lambda: [(r(2, 4), r(2, 3, 4), r(4)), (r(5, 4), r(1, 7, 4), r(4))])
class LinearRanks(nn.Module):
    def __init__(self):
        super().__init__()
        self.biased, self.plain = nn.Linear(4, 3), nn.Linear(4, 5, bias=False)

    def forward(self, x, y, z):
        return self.biased(x), self.biased(y), self.biased(z), self.plain(y)


@family(
    "matmul",
    lambda: [(r(3, 4), r(4, 5), r(4), r(2, 3, 4), r(2, 4, 3)), (r(2, 4), r(4, 6), r(4), r(5, 2, 4), r(5, 4, 2))],
    how="both",
)
class Matmul(nn.Module):
    def forward(self, a, b, v, s, t):
        return (
            a @ b,
            torch.matmul(a, v),
            torch.matmul(v, b),
            v @ v,
            s @ t,
            s @ b,
            torch.matmul(s, v),
            torch.matmul(a, t),
        )


@family("batched_products", lambda: [(r(2, 3, 4), r(2, 4, 5), r(2, 3, 5)), (r(4, 1, 4), r(4, 4, 2), r(4, 1, 2))])
class BatchedProducts(nn.Module):
    def forward(self, a, b, c):
        return (
            torch.bmm(a, b),
            torch.baddbmm(c, a, b),
            torch.baddbmm(c, a, b, beta=0.5, alpha=2.0),
            torch.baddbmm(c, a, b, beta=0, alpha=0.3),
            torch.addbmm(c[0], a, b),
        )


@family("matrix_products", lambda: [(r(3, 4), r(4, 5), r(3, 5), r(4)), (r(2, 4), r(4, 6), r(2, 6), r(4))], how="both")
class MatrixProducts(nn.Module):
    def forward(self, a, b, c, v):
        return (
            torch.mm(a, b),
            torch.addmm(c, a, b),
            torch.addmm(c, a, b, beta=0.5, alpha=2.0),
            torch.mv(a, v),
            torch.dot(v, v),
            torch.addmv(a[:, 0], a, v),
            torch.outer(v, v),
        )


@family("einsum", lambda: [(r(2, 3, 4), r(2, 4, 5), r(4, 6)), (r(1, 2, 4), r(1, 4, 3), r(4, 5))], how="both")
class Einsum(nn.Module):
    def forward(self, a, b, c):
        return (
            torch.einsum("bij,bjk->bik", a, b),
            torch.einsum("bij,jk->bik", a, c),
            torch.einsum("bij->bji", a),
            torch.einsum("bij->b", a),
            torch.einsum("bij,bij->bi", a, a),
            torch.einsum("...j,jk", a, c),
            torch.einsum("i,j->ij", a[0, 0], c[0]),
        )


@family("einsum_attention", lambda: [(r(2, 3, 2, 4), r(2, 5, 2, 4)), (r(1, 4, 3, 4), r(1, 4, 3, 4))])
class EinsumAttention(nn.Module):
    def forward(self, q, k):
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k)
        return (
            scores,
            torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), k),
            torch.einsum("bqhd->bhd", q),
            torch.einsum("bqhd,bqhd->bqh", [q, q]),
        )


@family("triangles", lambda: [(r(3, 4), r(2, 3, 3)), (r(5, 2), r(1, 4, 4))], how="both")
class Triangles(nn.Module):
    def forward(self, x, y):
        return (
            torch.tril(x),
            torch.triu(x, 1),
            torch.tril(y, -1),
            torch.triu(y),
            torch.diag(x[0]),
            torch.diagonal(y, dim1=1, dim2=2),
            torch.diag_embed(x),
            torch.trace(y[0]),
        )


@family("products_of_vectors", lambda: [(r(3, 3), r(3, 3), r(2, 3, 4)), (r(2, 3), r(2, 3), r(3, 2, 4))])
class ProductsOfVectors(nn.Module):
    def forward(self, x, y, z):
        return (
            torch.cross(x, y, dim=1),
            torch.linalg.cross(x, y),
            torch.kron(x, y),
            torch.tensordot(z, z, dims=([2], [2])),
            torch.linalg.vecdot(x, y),
            torch.inner(x, y),
            torch.chain_matmul(x.t(), y),
        )


@family("bilinear", lambda: [(r(2, 3), r(2, 4)), (r(5, 3), r(5, 4))], how="both")
class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Bilinear(3, 4, 2)

    def forward(self, x, y):
        return self.net(x, y)


@family(
    "transposed_weights",
    lambda: [(r(2, 4),), (r(5, 4),)],
    note="weights as PyTorch stores them: transposed, shared and sliced",
)
class TransposedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        base = r(6, 4)
        self.register_buffer("turned", base.t())
        self.register_buffer("head", base[:2])
        self.register_buffer("every_other", base[::2])
        self.scale = nn.Parameter(r(4))

    def forward(self, x):
        return x @ self.turned, x @ self.head.t(), F.linear(x * self.scale, self.every_other)


@family(
    "integer_products",
    lambda: [
        (torch.randint(-4, 4, (3, 4)), torch.randint(-4, 4, (4, 2))),
        (torch.randint(-4, 4, (2, 4)), torch.randint(-4, 4, (4, 5))),
    ],
)
class IntegerProducts(nn.Module):
    def forward(self, a, b):
        return a @ b, torch.mm(a, b), torch.einsum("ij,jk->ik", a, b)


@family("float64", lambda: [(r(2, 4).double(), r(4, 3).double())])
class Float64(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3).double()

    def forward(self, a, b):
        return self.fc(a), a @ b, torch.addmm(self.fc.bias, a, b)


@family(
    "half_weights",
    lambda: [(r(2, 4),), (r(3, 4),)],
    tolerance={"rtol": 5e-3, "atol": 5e-3},
    note="float16 and bfloat16 weights, used as float32",
)
class HalfWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("h", r(3, 4).half())
        self.register_buffer("b", r(3, 4).bfloat16())

    def forward(self, x):
        return F.linear(x, self.h.float()), F.linear(x, self.b.to(x.dtype))


class Mlp(nn.Module):
    """A layer whose weights, inputs and results have one 16-bit type."""

    def __init__(self, dtype):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3)).to(dtype)

    def forward(self, x):
        y = self.net(x)
        return y, torch.softmax(y, -1), y.float().mean(1)


family.add(
    "float16_module",
    lambda: Mlp(torch.float16),
    lambda: [(r(2, 4).half(),), (r(3, 4).half(),)],
    tolerance={"rtol": 1e-2, "atol": 1e-2},
)
family.add(
    "bfloat16_module",
    lambda: Mlp(torch.bfloat16),
    lambda: [(r(2, 4).bfloat16(),), (r(3, 4).bfloat16(),)],
    tolerance={"rtol": 4e-2, "atol": 4e-2},
)


def group(*sizes):
    """The group of each position: the first `sizes[0]` positions have group 0."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).float()


class Grouped(nn.Module):
    def forward(self, a, b, groups):
        return torch._grouped_mm(a, b, torch.cumsum(torch.histc(groups, 3, 0, 2), 0).to(torch.int32))


GROUPED = {
    "rows": [(r(10, 8), r(3, 8, 16), group(4, 1, 5)), (r(6, 8), r(3, 8, 16), group(0, 6, 0))],
    "columns": [(r(3, 4, 8), r(8, 16), group(8, 0, 8)), (r(3, 4, 8), r(8, 32), group(16, 8, 8))],
    "inner": [(r(4, 24), r(24, 8), group(8, 8, 8)), (r(8, 32), r(32, 8), group(8, 16, 8))],
}
for name, calls in GROUPED.items():
    family.add(f"grouped_{name}", Grouped, lambda calls=calls: calls, how="both", batch="none")


@family("grouped_batch", lambda: [(r(3, 4, 8), r(3, 8, 16)), (r(2, 5, 8), r(2, 8, 16))], how="both", batch="none")
class GroupedBatch(nn.Module):
    def forward(self, a, b):
        return torch._grouped_mm(a, b)


@family("grouped_experts", lambda: [(r(6, 8),), (r(11, 8),)], how="both")
class GroupedExperts(nn.Module):
    """A mixture of experts as transformers 5 writes it: rows sorted by expert, one grouped product, rows back in order."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(8, 4)
        self.up, self.down = nn.Parameter(r(4, 16, 8)), nn.Parameter(r(4, 8, 16))

    def forward(self, x):
        weight, expert = self.router(x).softmax(-1).topk(2)
        flat = expert.reshape(-1)
        order = torch.argsort(flat, stable=True)
        rows = x.repeat_interleave(2, 0)[order]
        counts = torch.histc(flat.float(), 4, 0, 3)
        ends = torch.cumsum(counts, 0).to(torch.int32)
        hidden = F.silu(torch._grouped_mm(rows, self.up.transpose(1, 2), ends))
        out = torch._grouped_mm(hidden, self.down.transpose(1, 2), ends)
        back = torch.empty_like(order)
        back[order] = torch.arange(order.size(0))
        return (out[back].reshape(-1, 2, 8) * weight.unsqueeze(-1)).sum(1)
