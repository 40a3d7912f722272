"""Scripted branches, loops, returns and raises, over numbers, shapes and data."""

from typing import List

import torch
import torch.nn as nn

from generate.case import Family

family = Family("control")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **options)


SIGNS = lambda: [(r(3, 3).abs(),), (-r(2, 4).abs(),)]


@scripted("branch", SIGNS, batch="none", note="branches on data")
class Branch(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            y = x * 2
        else:
            y = x - 1
        return y


@scripted("branch_shapes", SIGNS, batch="none", note="the branches give different shapes")
class BranchShapes(nn.Module):
    def forward(self, x):
        if bool(x.mean() > 0):
            y = x[:1]
        else:
            y = torch.cat([x, x])
        return y + 1


@scripted("nested_branches", lambda: [(torch.tensor([v]), torch.ones(2, 2)) for v in (-2.0, 0.5, 3.0)], batch="none")
class NestedBranches(nn.Module):
    def forward(self, t, x):
        if bool(t > 0):
            if bool(t > 1):
                y = x * t
                n = 2
            else:
                y = x + t
                n = 1
        elif bool(t < -1):
            y = -x
            n = 0
        else:
            y = x
            n = -1
        return y, n


@scripted(
    "conditions",
    lambda: [(torch.tensor(1.5), torch.tensor(2)), (torch.tensor(-0.5), torch.tensor(0))],
    batch="none",
    note="and, or, not and conditional expressions over data",
)
class Conditions(nn.Module):
    def forward(self, a, n):
        positive = bool(a > 0) and int(n) > 1
        either = not (bool(a < 0) or bool(n == 2))
        y = a * 2 if positive else a - 1
        z = n if either else n * 10
        return y, z, positive


@scripted("early_return", SIGNS, batch="none")
class EarlyReturn(nn.Module):
    def forward(self, x):
        if bool(x.min() > 0):
            return x.sqrt()
        y = x.exp()
        if bool(y.max() > 0.9):
            return y * 2
        return y


@scripted(
    "static_branches",
    lambda: [(r(2, 3), True, 2), (r(2, 3), False, 1), (r(2, 3), True, 0)],
    note="branches on numbers and shapes",
)
class StaticBranches(nn.Module):
    def forward(self, x, flag: bool, n: int):
        if flag and n > 1:
            x = x + n
        elif flag:
            x = x * 0.5
        if x.dim() == 2 and x.size(1) == 3:
            x = x.t()
        return x if n != 1 else -x


@scripted("loop", lambda: [(r(2, 4), 3), (r(1, 4), 0)])
class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x, n: int):
        for layer in self.layers:
            x = torch.relu(layer(x)) + x
        for i in range(n):
            x = x + float(i) * 0.5
        return x


@scripted("loop_over_rows", lambda: [(r(3, 4),), (r(5, 2),)], batch="none", note="the trip count is a size")
class LoopOverRows(nn.Module):
    def forward(self, x):
        total = torch.zeros(x.size(1))
        best = x[0]
        for i in range(x.size(0)):
            total = total * 0.5 + x[i]
            best = torch.maximum(best, x[i])
        for row in x:
            total = total + row
        return total, best


@scripted(
    "loop_by_data",
    lambda: [(torch.tensor(3), r(2, 2)), (torch.tensor(0), r(1, 2)), (torch.tensor(7), r(2, 3))],
    batch="none",
    note="the trip count is a tensor",
)
class LoopByData(nn.Module):
    def forward(self, n, x):
        for i in range(int(n)):
            x = x * 0.9 + i
        return x, int(n) * 2


@scripted("break_continue", lambda: [(r(6, 2).abs(),), (r(3, 2).abs() * 0.1,), (r(9, 2).abs() * 5,)], batch="none")
class BreakContinue(nn.Module):
    def forward(self, x):
        total = torch.zeros(x.size(1))
        used = 0
        for i in range(x.size(0)):
            if i % 3 == 1:
                continue
            total = total + x[i]
            used += 1
            if bool(total.sum() > 3):
                break
        return total, used


@scripted("static_break", lambda: [(r(2, 3), 4), (r(2, 3), 9)], note="break on numbers")
class StaticBreak(nn.Module):
    def forward(self, x, limit: int):
        n = 1
        while True:
            n *= 2
            if n > limit:
                break
            x = x + n
        return x, n


@scripted("newton", lambda: [(r(2, 3).abs() + 0.1,), (r(4).abs() * 100 + 0.1,)], batch="none", note="while on data")
class Newton(nn.Module):
    def forward(self, x):
        y = x + 1.0
        i = 0
        while bool((y * y - x).abs().max() > 1e-3) and i < 50:
            y = 0.5 * (y + x / y)
            i += 1
        return y, i


@scripted("nested_loops", lambda: [(r(3, 4),), (r(2, 5),)], batch="none")
class NestedLoops(nn.Module):
    def forward(self, x):
        out = torch.zeros_like(x)
        for i in range(x.size(0)):
            carry = torch.zeros(1)
            for j in range(x.size(1)):
                carry = carry + x[i, j]
                if bool(carry < 0):
                    carry = torch.zeros(1)
                out[i, j] = carry[0]
        return out


@scripted(
    "growing_tensor",
    lambda: [(torch.randint(0, 7, (2, 3)), 4), (torch.randint(0, 7, (1, 2)), 6)],
    note="greedy decoding: the carried tensor grows",
)
class GrowingTensor(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 7)

    def forward(self, ids, steps: int):
        for _ in range(steps):
            following = self.head(self.embed(ids).mean(1)).argmax(-1, keepdim=True)
            ids = torch.cat([ids, following], dim=1)
        return ids


@scripted(
    "growing_until",
    lambda: [(torch.tensor([[1, 2]]), 3), (torch.tensor([[4]]), 8)],
    batch="none",
    note="decoding that stops at a token or a length",
)
class GrowingUntil(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 4), nn.Linear(4, 5)

    def forward(self, ids, most: int):
        steps = 0
        while steps < most:
            following = self.head(self.embed(ids[:, -1])).argmax(-1, keepdim=True)
            ids = torch.cat([ids, following], dim=1)
            steps += 1
            if bool(following[0, 0] == 0):
                break
        return ids, steps


@scripted(
    "growing_list", lambda: [(r(4, 3),), (r(2, 5),)], batch="none", note="a list that grows in a loop over a size"
)
class GrowingList(nn.Module):
    def forward(self, x):
        parts: List[torch.Tensor] = []
        for i in range(x.size(0)):
            parts.append(x[i] * (i + 1))
        parts.insert(0, torch.zeros(x.size(1)))
        last = parts.pop()
        return torch.stack(parts), last, len(parts)


@scripted("filtered_list", lambda: [(r(5, 3),), (r(3, 2),)], batch="none", note="a list grown only where data says so")
class FilteredList(nn.Module):
    def forward(self, x):
        kept: List[torch.Tensor] = [torch.zeros(x.size(1))]
        for i in range(x.size(0)):
            if bool(x[i].sum() > 0):
                kept.append(x[i])
        return torch.stack(kept)


@scripted(
    "asserts",
    lambda: [(r(2, 4),), (r(3, 4),), (r(2, 5),), (r(2, 3, 4),)],
    note="the last two calls fail: it raises on shapes",
)
class Asserts(nn.Module):
    def forward(self, x):
        if x.dim() != 2:
            raise RuntimeError(f"expected a matrix, not {x.dim()} axes")
        assert x.size(1) == 4, "expected four columns"
        return x.softmax(1)


@scripted(
    "data_assert",
    lambda: [(r(2, 3).abs(),), (-r(2, 3).abs(),)],
    batch="none",
    note="the second call fails: it raises on data",
)
class DataAssert(nn.Module):
    def forward(self, x):
        if bool(x.min() < 0):
            raise ValueError("negative values")
        return x.sqrt()


@scripted(
    "beam", lambda: [(r(2, 4), 2), (r(3, 5), 3)], batch="none", note="a search that carries several tensors and lists"
)
class Beam(nn.Module):
    def forward(self, scores, width: int):
        best, index = torch.topk(scores[0], width)
        path = index.unsqueeze(1)
        for t in range(1, scores.size(0)):
            every = best.unsqueeze(1) + scores[t].unsqueeze(0)
            best, flat = torch.topk(every.view(-1), width)
            origin = torch.div(flat, scores.size(1), rounding_mode="floor")
            path = torch.cat([path[origin], (flat % scores.size(1)).unsqueeze(1)], dim=1)
        return best, path


@scripted("debug_records", lambda: [(r(2, 3),), (r(4, 3),)], debug="keep", note="holds source positions")
class DebugRecords(nn.Module):
    def forward(self, x):
        if x.size(1) > 2:
            x = torch.sigmoid(x)
        return x + 1


@family(
    "debug_records_traced",
    lambda: [(r(2, 3),), (r(4, 3),)],
    debug="keep",
    note="holds source positions and call stacks",
)
class DebugRecordsTraced(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return torch.tanh(self.fc(x))
