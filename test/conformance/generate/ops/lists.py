"""Scripted lists whose length is known only at run time: how they grow, are read, changed and joined."""

from typing import Dict, List, Optional, Tuple

import torch
import torch.nn as nn

from generate.case import Family

family = Family("lists")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", batch="none", **options)


ROWS = lambda: [(r(3, 4),), (r(5, 2),), (r(1, 3),)]


@scripted("insert_front", ROWS)
class InsertFront(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.insert(0, x[k])
        return torch.stack(t)


@scripted("insert_at", ROWS, note="the place is known only at run time, also out of the list")
class InsertAt(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = [x[0]]
        for k in range(x.size(0)):
            t.insert(k // 2, x[k] * 2)
            t.insert(-1, x[k] - 1)
            t.insert(100, x[k] + 1)
        return torch.stack(t), len(t)


@scripted("plus_equals", ROWS)
class PlusEquals(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t += [x[k]]
            t += [x[k] * 2, x[k] * 3]
        u = t + [x[0]] + t
        return torch.stack(t), torch.stack(u, 1)


@scripted("extend", ROWS)
class Extend(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.extend([x[k], x[k].exp()])
            u: List[torch.Tensor] = []
            for j in range(k):
                u.append(x[j])
            t.extend(u)
        return torch.stack(t)


@scripted("read_while_growing", ROWS, note="fibonacci over a list of tensors")
class ReadWhileGrowing(nn.Module):
    def forward(self, x):
        t = [x[0], x[0] * 0.5]
        for k in range(x.size(0)):
            t.append(t[-1] * 0.3 + t[-2] + x[k] + t[k])
        return torch.stack(t), len(t)


@scripted("pops", ROWS)
class Pops(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
            t.append(x[k] + 1)
        total = torch.zeros(x.size(1))
        for k in range(x.size(0)):
            total = total * 2 + t.pop()
        first = t.pop(0)
        t.append(first)
        middle = t.pop(len(t) // 2)
        return total, middle, first, len(t)


@scripted("set_items", ROWS)
class SetItems(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
        for k in range(x.size(0)):
            t[k] = t[k] + t[k - 1]
        t[-1] = t[-1] * 2
        t[0] = t[0] * 3
        return torch.stack(t)


@scripted("deleted_items", lambda: [(r(3, 4),), (r(6, 2),)])
class DeletedItems(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
        del t[1]
        del t[-1]
        t.append(x.sum(0))
        return torch.stack(t), len(t)


@scripted("slices", lambda: [(r(4, 3),), (r(7, 2),), (r(2, 2),)])
class Slices(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
        n = x.size(0) // 2
        return (
            torch.stack(t[1:]),
            torch.stack(t[:-1]),
            torch.stack(t[::-1]),
            torch.stack(t[::2]),
            torch.stack(t[n:]),
            torch.stack(t[: n + 1]),
            torch.stack(t[-2:]),
            torch.stack(t[: n - 1 : -1] + [x[0]]),
            torch.stack(t[-2::-2]),
            len(t[n:n]),
        )


@scripted("reversed_list", ROWS)
class ReversedList(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k].tanh())
        t.reverse()
        u = t.copy()
        u.append(x[0])
        v = list(t)
        v.insert(0, x[-1])
        return torch.stack(t), torch.stack(u), torch.stack(v, -1)


@scripted("joined", ROWS, note="cat along each axis")
class Joined(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x * (k + 1))
        return torch.cat(t), torch.cat(t, 1), torch.cat(t, -1), torch.stack(t, 2), torch.stack(t, 1)


@scripted("ragged_rows", ROWS, note="items of different sizes")
class RaggedRows(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k][x[k] > 0])
        total = torch.zeros(1)
        for k in range(len(t)):
            total = total + t[k].sum() * (k + 1)
        return t, torch.cat(t), total, len(t)


@scripted("ragged_matrices", ROWS)
class RaggedMatrices(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[: k + 1] * (k + 1))
        t.reverse()
        t.append(x)
        return t, torch.cat(t, 0), t[0].size(0), t[1:], t[::-2]


@scripted("ragged_changes", ROWS)
class RaggedChanges(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.insert(0, x[k:])
        last = t.pop()
        t.append(x[:1])
        t[0] = x[:0]
        t.insert(1, last)
        return t, last


@scripted("ragged_then_equal", ROWS, note="shapes that only a run shows to be equal")
class RaggedThenEqual(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            n = int((x[k] * 0).sum()) + 1
            t.append(x[:n])
        return torch.stack(t), torch.cat(t, 1)


@scripted("returned_rows", ROWS, note="returns a list of equal tensors")
class ReturnedRows(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k].exp())
        return t


@scripted("returned_nested", ROWS, note="lists in tuples and dicts")
class ReturnedNested(nn.Module):
    def forward(self, x) -> Tuple[Dict[str, List[torch.Tensor]], List[int], torch.Tensor]:
        t: List[torch.Tensor] = []
        n: List[int] = []
        for k in range(x.size(0)):
            t.append(x[k][: k + 1])
            n.append(k * 2)
        return {"parts": t, "others": t[1:]}, n, x.sum()


@scripted("numbers", ROWS, note="lists of ints, floats and bools")
class Numbers(nn.Module):
    def forward(self, x):
        a: List[int] = []
        b: List[float] = []
        c: List[bool] = []
        for k in range(x.size(0)):
            a.append(int(x[k].argmax()) + k)
            b.append(float(x[k].sum()) * 0.5)
            c.append(bool(x[k].sum() > 0))
        a.insert(0, 7)
        b[-1] = 2.5
        s = 0
        for v in a:
            s += v
        return a, b, c, s, a[-1], b[0], torch.tensor(a), torch.tensor(b)


@scripted("numbers_read", lambda: [(torch.tensor([3, 1, 4, 1]),), (torch.tensor([2, 7]),)])
class NumbersRead(nn.Module):
    def forward(self, x):
        a: List[int] = []
        for k in range(x.size(0)):
            a.append(int(x[k]))
        least = a[0]
        for k in range(len(a)):
            if a[k] < least:
                least = a[k]
            a[k] = a[k] * 10 + k
        return a, least, sum(a), max(a), min(a), 30 in a, len(a)


@scripted(
    "from_tensor", lambda: [(torch.tensor([3, 1, 4, 1]), r(9, 2)), (torch.tensor([2, 7]), r(10, 3))], note="tolist"
)
class FromTensor(nn.Module):
    def forward(self, i, x):
        a: List[int] = i.tolist()
        out: List[torch.Tensor] = []
        for k in a:
            out.append(x[k])
        return torch.stack(out), a, len(a)


@scripted("tuples", ROWS, note="a list of tuples")
class Tuples(nn.Module):
    def forward(self, x):
        t: List[Tuple[torch.Tensor, int]] = []
        for k in range(x.size(0)):
            t.append((x[k], k * 3))
        total = torch.zeros(x.size(1))
        for row, n in t:
            total = total + row * n
        best, at = t[-1]
        return total, best, at, t


@scripted("lists_of_lists", ROWS)
class ListsOfLists(nn.Module):
    def forward(self, x):
        out: List[List[int]] = []
        for k in range(x.size(0)):
            row: List[int] = []
            for j in range(k + 1):
                row.append(j * 10 + k)
            out.append(row)
        last = out[-1]
        last2 = last[0] + len(last)
        return out, last2


@scripted("comprehension", ROWS)
class Comprehension(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
        u = [v * 2 for v in t]
        n = [v.size(0) for v in t]
        w = [x[i] + i for i in range(x.size(0))]
        return torch.stack(u), n, torch.stack(w)


@scripted("zip_enumerate", ROWS)
class ZipEnumerate(nn.Module):
    def forward(self, x):
        a: List[torch.Tensor] = []
        b: List[torch.Tensor] = []
        for k in range(x.size(0)):
            a.append(x[k])
            b.append(x[k] * x[k])
        total = torch.zeros(x.size(1))
        for u, v in zip(a, b):
            total = total + u * v
        for i, u in enumerate(a):
            total = total * 0.5 + u * i
        for u in a[::-1]:
            total = total * 0.25 + u
        for i, row in enumerate(x):
            total = total + row * i
        return total


@scripted("known_then_unknown", ROWS, note="items from before the loop")
class KnownThenUnknown(nn.Module):
    def forward(self, x):
        t = [x[0] * 0, x[0] + 1]
        for k in range(x.size(0)):
            t.append(x[k])
        for k in range(x.size(0)):
            t.append(x[k] - 1)
        return torch.stack(t)


@scripted("emptied", ROWS)
class Emptied(nn.Module):
    def forward(self, x):
        t: List[torch.Tensor] = []
        out: List[torch.Tensor] = []
        for k in range(x.size(0)):
            t.append(x[k])
            if len(t) == 2:
                out.append(t[0] + t[1])
                t.clear()
        return len(t), len(out), out


@scripted("static_list_at_runtime_index", lambda: [(torch.tensor(1), r(2, 3)), (torch.tensor(-1), r(4, 3))])
class StaticListAtRuntimeIndex(nn.Module):
    def forward(self, i, x):
        t = [x, x * 2, x[:1]]
        n = int(i)
        u = [x[0], x[0] + 1, x[0] * 5]
        u[n] = u[n] - 1
        u.insert(n, x[1])
        a = [5, 6, 7]
        b = u.pop(n)
        return t[n], torch.stack(u), a[n], len(a[: abs(n)]), b


@scripted("optional_state", ROWS, note="None before the first round")
class OptionalState(nn.Module):
    def forward(self, x):
        last: Optional[torch.Tensor] = None
        out: List[torch.Tensor] = []
        for k in range(x.size(0)):
            if last is None:
                y = x[k]
            else:
                y = x[k] + last * 0.5
            last = y
            out.append(y)
        return torch.stack(out)
