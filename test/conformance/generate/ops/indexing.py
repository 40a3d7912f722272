"""Slices, gathers, scatters, masks and data-dependent selections."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("indexing")
r = torch.randn


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("slices", normal((4, 6), (7, 8)), how="both")
class Slices(nn.Module):
    def forward(self, x):
        return x[1:], x[:, 1:-1:2], x[..., -1], x[0], x[-2:, :3], x[:, None, 2:4], x[1:3, -1], x[: x.size(0) // 2]


@family("slice_bounds", normal((4, 6), (2, 3)), how="both", note="bounds past the ends are cut, and may leave nothing")
class SliceBounds(nn.Module):
    def forward(self, x):
        return x[:100], x[-100:2], x[3:1], x[:, 5:], x[::3], torch.select(x, 1, -1), x.narrow(0, 1, 1), x[0, 0]


@family("lists_of_indices", normal((4, 6), (5, 6)), how="both")
class ListsOfIndices(nn.Module):
    def forward(self, x):
        return (
            x[[2, 0, -1]],
            x[:, [0, 3, 1]],
            x[[0, 1], [2, 3]],
            x[torch.tensor([[0, 1], [2, 3]])],
            x[:, torch.tensor([-1, 0])],
            x[torch.arange(x.size(0)), 1],
        )


@family(
    "gathers",
    lambda: [
        (r(3, 6), torch.randint(0, 6, (3, 2)), torch.tensor([2, 0])),
        (r(2, 6), torch.randint(0, 6, (2, 4)), torch.tensor([1, 1, 0])),
    ],
    how="both",
)
class Gathers(nn.Module):
    def forward(self, x, i, rows):
        return (
            torch.gather(x, 1, i),
            torch.take_along_dim(x, i, 1),
            torch.index_select(x, 0, rows),
            x.index_select(1, rows),
            x[rows],
            x[:, rows],
            torch.take(x, rows),
            x[rows, rows],
        )


@family(
    "advanced",
    lambda: [
        (r(3, 4, 5), torch.tensor([0, 2]), torch.tensor([1, 3])),
        (r(4, 4, 2), torch.tensor([3, 1, 0]), torch.tensor([0, 0, 2])),
    ],
    how="both",
)
class Advanced(nn.Module):
    def forward(self, x, i, j):
        return x[i, j], x[:, j], x[i, :, 0], x[i][:, j], x[i[:, None], j[None, :]], x[i, :, :1], x[:, j, -1], x[None, i]


@family(
    "split_advanced",
    lambda: [(r(3, 4, 5), torch.tensor([0, 2])), (r(4, 3, 3), torch.tensor([1, 2]))],
    note="index tensors apart from each other move their axis to the front",
)
class SplitAdvanced(nn.Module):
    def forward(self, x, i):
        return x[i, :, i], x[0, :, i], x[:, 1:][..., i]


@family("embeddings", lambda: [(torch.randint(0, 7, (2, 3)),), (torch.randint(0, 7, (4, 5)),)], how="both")
class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain, self.padded = nn.Embedding(7, 4), nn.Embedding(7, 3, padding_idx=0)

    def forward(self, ids):
        return (
            self.plain(ids),
            self.padded(ids),
            nn.functional.embedding(ids, self.plain.weight * 2),
            nn.functional.one_hot(ids, 7),
        )


@family(
    "embedding_bags",
    lambda: [(torch.randint(0, 7, (2, 3)), r(2, 3)), (torch.randint(0, 7, (4, 5)), r(4, 5))],
    how="both",
)
class EmbeddingBags(nn.Module):
    def __init__(self):
        super().__init__()
        self.sum, self.mean, self.max = (
            nn.EmbeddingBag(7, 4, mode="sum"),
            nn.EmbeddingBag(7, 4),
            nn.EmbeddingBag(7, 4, mode="max"),
        )

    def forward(self, ids, weights):
        return self.sum(ids, per_sample_weights=weights), self.mean(ids), self.max(ids)


@family(
    "embedding_bag_offsets",
    lambda: [(torch.randint(0, 7, (6,)), torch.tensor([0, 2, 2])), (torch.randint(0, 7, (9,)), torch.tensor([0, 4]))],
    batch="none",
)
class EmbeddingBagOffsets(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.sum = nn.EmbeddingBag(7, 4), nn.EmbeddingBag(7, 4, mode="sum")

    def forward(self, ids, offsets):
        return self.mean(ids, offsets), self.sum(ids, offsets)


@family(
    "masks",
    lambda: [(r(3, 4), torch.tensor([[True, False, True, True]])), (r(2, 3), torch.tensor([[False], [True]]))],
    how="both",
)
class Masks(nn.Module):
    def forward(self, x, m):
        return (
            x.masked_fill(m, -1.0),
            torch.masked_fill(x, ~m, float("-inf")),
            torch.where(m, x, x * 2),
            torch.where(x > 0, x, torch.zeros_like(x)),
            x.masked_fill(x < 0, 0),
            torch.where(m, 1.0, 0.0),
            x * m,
        )


@family(
    "selections",
    lambda: [(r(3, 4), torch.tensor([True, False, True])), (r(4, 2), torch.tensor([False, False, True, False]))],
    how="both",
    batch="none",
    note="sizes of results depend on data",
)
class Selections(nn.Module):
    def forward(self, x, rows):
        return (
            x[rows],
            x[x > 0],
            torch.masked_select(x, x < 0),
            torch.nonzero(x > 0),
            torch.nonzero(rows).squeeze(1),
            x[rows].sum(0),
        )


@family("argwheres", lambda: [(torch.tensor([3, 1, 1, 2, 3]),), (torch.tensor([5, 5, 0]),)], batch="none")
class Argwheres(nn.Module):
    def forward(self, x):
        v, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
        return (
            torch.argwhere(x > 1),
            v,
            inverse,
            counts,
            torch.where(x > 1)[0],
            torch.bincount(x, minlength=6),
            (x > 1).nonzero(as_tuple=True)[0],
        )


@family(
    "scatters",
    lambda: [
        (r(3, 5), torch.tensor([[0, 2], [1, 4], [3, 0]]), r(3, 2)),
        (r(2, 5), torch.tensor([[4, 1, 0], [0, 2, 3]]), r(2, 3)),
    ],
    how="both",
)
class Scatters(nn.Module):
    def forward(self, x, i, s):
        return (
            x.scatter(1, i, s),
            x.scatter(1, i, 2.5),
            x.scatter_add(1, i, s),
            torch.zeros_like(x).scatter_(1, i, 1.0),
            x.scatter_reduce(1, i, s, reduce="amax"),
            x.scatter(1, i, s, reduce="add"),
        )


@family(
    "repeated_scatters",
    lambda: [(r(4, 3), torch.tensor([0, 2, 0, 1, 2]), r(5, 3)), (r(3, 3), torch.tensor([1, 1]), r(2, 3))],
    batch="none",
    note="indices that repeat add up",
)
class RepeatedScatters(nn.Module):
    def forward(self, x, i, s):
        return (
            x.index_add(0, i, s),
            x.index_put((i,), s, accumulate=True),
            x.scatter_reduce(0, i[:, None].expand(-1, 3), s, reduce="sum"),
            x.scatter_reduce(0, i[:, None].expand(-1, 3), s, reduce="amin", include_self=False),
        )


@family(
    "index_writes",
    lambda: [(r(4, 3), torch.tensor([0, 2]), r(2, 3)), (r(5, 3), torch.tensor([2, 1]), r(2, 3))],
    how="both",
    batch="none",
)
class IndexWrites(nn.Module):
    def forward(self, x, i, s):
        y = x.clone()
        y[i] = s
        z = x.clone()
        z[:, i] = 0.0
        w = x.index_copy(0, i, s)
        v = x.clone()
        v[i, i] = 9.0
        return y, z, w, v, x.index_fill(0, i, -1.0), torch.index_put(x, (i,), s * 2)


@family("mask_writes", normal((3, 4), (2, 5)), how="both")
class MaskWrites(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[y < 0] = 0.5
        z = x.clone()
        z[z > 0] *= 2
        w = x.clone()
        w[:, 0][x[:, 0] > 0] = -3.0
        return y, z, w, torch.masked_scatter(x, x > 0, torch.ones_like(x))


@family(
    "searches",
    lambda: [(torch.tensor([1.0, 3.0, 5.0]), r(2, 3) * 5), (torch.tensor([0.0, 2.0, 4.0, 6.0]), r(1, 4) * 5)],
    batch="none",
)
class Searches(nn.Module):
    def forward(self, edges, x):
        return (
            torch.searchsorted(edges, x),
            torch.bucketize(x, edges, right=True),
            torch.bucketize(x, edges),
            torch.isin(x.round(), edges),
        )


@family(
    "integers_and_booleans",
    lambda: [
        (torch.randint(-9, 9, (3, 4)), torch.tensor([2, 0])),
        (torch.randint(-9, 9, (5, 4)), torch.tensor([1, 3, 0])),
    ],
)
class IntegersAndBooleans(nn.Module):
    def forward(self, x, i):
        b = x > 0
        return (
            x[i],
            b[i],
            b[:, 1:],
            torch.where(b, x, -x),
            x.masked_fill(b, 7),
            b.gather(1, i.expand(x.size(0), -1)),
            x.index_select(1, i),
            b.masked_fill(x == 0, 1),
        )


@family(
    "int32_indices",
    lambda: [(r(4, 3), torch.tensor([2, 0], dtype=torch.int32)), (r(4, 3), torch.tensor([1, 1, 3], dtype=torch.int32))],
)
class Int32Indices(nn.Module):
    def forward(self, x, i):
        return torch.index_select(x, 0, i), nn.functional.embedding(i, x), x[i.long()], x[i]


@family("descending_positions", lambda: [(r(3, 4),), (r(5, 2),)], how="script")
class DescendingPositions(nn.Module):
    def forward(self, x):
        back = torch.arange(x.size(0) - 1, -1, -1)
        return x[back], x.index_select(0, back), x.t()[:, torch.arange(x.size(0) - 1, -1, -2)]
