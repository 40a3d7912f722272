"""Scripted branches on a count of selected rows, whose ways give different ranks."""

from typing import List

import torch
import torch.nn as nn

from generate.case import Family

family = Family("counts")
r = torch.randn

SELECTED = lambda: [(r(5, 8), torch.tensor([0.9, 0.0, 0.5, 0.2, 0.7])), (r(3, 8), torch.tensor([0.1, 0.9, 0.9]))]
MAYBE_NONE = lambda: [*SELECTED(), (r(4, 8), torch.zeros(4))]


def scripted(name, calls=SELECTED, **options):
    return family(name, calls, how="script", **{"batch": "none", **options})


@scripted("reshape_if_positive")
class ReshapeIfPositive(nn.Module):
    def decode(self, b, n: List[int]):
        total = 0
        for v in n:
            total += v
        if total > 0:
            b = b.reshape(total, -1)
        p = b * 2
        if total > 0:
            p = p.reshape(total, -1, 4)
        return p

    def forward(self, b, s):
        kept = b[torch.where(s > 0.1)[0]]
        return self.decode(kept, [kept.size(0)])


@scripted("reshape_if_at_least_one")
class ReshapeIfAtLeastOne(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        return kept.view(-1, 2, 4) if kept.shape[0] >= 1 else kept


@scripted("reshape_if_not_zero")
class ReshapeIfNotZero(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.size(0) != 0:
            kept = kept.reshape(kept.size(0), 2, 2, 2)
        return kept + 1


@scripted("zero_first")
class ZeroFirst(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.size(0) == 0:
            return kept
        return kept.reshape(kept.size(0), 4, 2)


@scripted("numel")
class Numel(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.numel() > 0:
            kept = kept.unsqueeze(1)
        return kept * 3


@scripted("less_than_one")
class LessThanOne(nn.Module):
    def forward(self, b, s):
        kept = b[(s > 0.1).nonzero()[:, 0]]
        if kept.size(0) < 1:
            out = kept
        else:
            out = kept.reshape(-1, 4).unsqueeze(0)
        return out


@scripted("lower_rank")
class LowerRank(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.size(0) > 0:
            kept = kept.flatten()
        return kept, kept.sum()


@scripted("two_tensors")
class TwoTensors(nn.Module):
    def forward(self, b, s):
        where = torch.where(s > 0.1)[0]
        boxes, scores = b[where], s[where]
        if where.numel() > 0:
            boxes, scores = boxes.view(-1, 2, 4), scores.unsqueeze(1)
        return boxes, scores


@scripted("sum_of_none", MAYBE_NONE, note="no row is selected in the last call")
class SumOfNone(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        n = kept.size(0)
        if n > 0:
            kept = kept.reshape(n, -1, 4)
        return kept.sum(), n, kept.numel()


@scripted("batches_of_boxes")
class BatchesOfBoxes(nn.Module):
    def forward(self, b, s):
        parts = [b[s > 0.1], b[s > 0.4]]
        n = [p.size(0) for p in parts]
        joined = torch.cat(parts)
        total = 0
        for v in n:
            total += v
        if total > 0:
            joined = joined.reshape(total, -1, 4)
        return joined.split(n, 0)


@scripted("same_rank_by_count", MAYBE_NONE)
class SameRankByCount(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.size(0) > 0:
            best = kept.max(0)[0]
        else:
            best = torch.full((b.size(1),), -1.0)
        return best, kept


@scripted("row_or_nothing", MAYBE_NONE, note="the best row, or no row; only sums are compared")
class RowOrNothing(nn.Module):
    def forward(self, b, s):
        kept = b[s > 0.1]
        if kept.size(0) > 0:
            kept = kept.max(0)[0]
        return kept.sum(), kept.numel()
