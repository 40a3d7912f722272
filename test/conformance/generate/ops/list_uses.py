"""Uses of lists and dicts in scripted loops: as numbers, split tensors, strings and ranges."""

from typing import Dict, List, Tuple

import torch
import torch.nn as nn
from torch import Tensor

from generate.case import Family

family = Family("list_uses")
r = torch.randn
ROWS = lambda: [(r(3, 4),), (r(6, 2),), (r(1, 3),)]


def case(name, calls, how="script"):
    return family(name, calls, how=how, batch="none")


@case("dict_loop", ROWS)
class DictLoop(nn.Module):
    def forward(self, x):
        d: Dict[str, List[int]] = {}
        a: List[int] = []
        d["a"] = a
        d["b"] = [5]
        for i in range(x.size(0)):
            d["a"].append(i)
            d["b"] = d["b"] + [i * 2]
        return d["a"], d["b"], len(d)


@case("dict_keys_loop", ROWS)
class DictKeysLoop(nn.Module):
    def forward(self, x):
        d: Dict[str, Tensor] = {"u": x[0], "v": x[0] * 2}
        for i in range(x.size(0)):
            for k in d.keys():
                d[k] = d[k] * 0.5 + x[i]
        return d


@case("int_dict", ROWS)
class IntDict(nn.Module):
    def forward(self, x):
        d: Dict[int, Tensor] = {0: x[0], 1: x[0] * 2}
        for i in range(x.size(0)):
            d[0] = d[1] + x[i]
            d[1] = d[0] * 0.5
        return d[0], d[1]


@case("floats", ROWS)
class Floats(nn.Module):
    def forward(self, x):
        f: List[float] = [0.0]
        for i in range(x.size(0)):
            f.append(f[-1] * 0.5 + float(x[i].mean()))
        best = max(f)
        s = sorted(f)
        return f, best, s, sum(f), min(f)


@case("repeat", ROWS)
class Repeat(nn.Module):
    def forward(self, x):
        z = [0] * x.size(0)
        w = [1.5] * x.size(1)
        for i in range(x.size(0)):
            z[i] = i * i
        q = [1, 2] * x.size(0)
        return z, w, q, torch.tensor(z)


@case("range_list", ROWS)
class RangeList(nn.Module):
    def forward(self, x):
        a = list(range(x.size(0)))
        b = [i * 2 for i in range(x.size(0))]
        c = [v for v in a]
        return a, b, c, [x[i] for i in a]


@case("comp_if", ROWS)
class CompIf(nn.Module):
    def forward(self, x):
        o = [float(v.sum()) for v in x]
        n = [v.shape[0] for v in x.unbind(0)]
        return o, n


@case("split_loop", lambda: [(r(2, 5, 3),), (r(3, 7, 3),)])
class SplitLoop(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for c in x.split(2, 1):
            o.append(c.sum(1))
        return torch.stack(o)


@case("split_loop_two", lambda: [(r(2, 4, 3),), (r(3, 8, 3),)])
class SplitLoop2(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for c in x.split(2, 0):
            o.append(c.sum(0))
        for c in torch.chunk(x, 2, 1):
            o.append(c.mean(1)[0].sum().reshape(1, 1).expand(x.size(1), 3))
        return torch.stack(o)


@case("split_sizes", lambda: [(r(6, 2), torch.tensor([2, 3, 1])), (r(5, 2), torch.tensor([4, 1]))])
class SplitSizes(nn.Module):
    def forward(self, x, n):
        sizes: List[int] = n.tolist()
        parts = torch.split(x, sizes)
        o: List[Tensor] = []
        for p in parts:
            o.append(p.sum(0))
        return torch.stack(o), parts


@case("pad_seq", lambda: [(r(6, 2), torch.tensor([2, 3, 1])), (r(5, 2), torch.tensor([4, 1]))])
class PadSeq(nn.Module):
    def forward(self, x, n):
        o: List[Tensor] = []
        s = 0
        for i in range(n.size(0)):
            k = int(n[i])
            o.append(x[s : s + k])
            s += k
        return torch.nn.utils.rnn.pad_sequence(o, batch_first=True)


@case("meshed", ROWS)
class Meshed(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            o.append(x[i])
        return torch.hstack(o), torch.vstack(o), torch.cat([torch.stack(o), x])


@case("empty_both", ROWS)
class EmptyBoth(nn.Module):
    def forward(self, x):
        a: List[Tensor] = []
        if bool(x.sum() > 1000):
            a.append(x)
        n = len(a)
        return n, a


@case("assert", ROWS)
class Assert(nn.Module):
    def forward(self, x):
        a: List[Tensor] = []
        for i in range(x.size(0)):
            assert x.size(1) > 0, "no"
            a.append(x[i])
        assert len(a) == x.size(0)
        return torch.stack(a)


@case("str_build", lambda: [(r(1, 5),), (r(1, 9),)])
class StrBuild(nn.Module):
    def forward(self, x):
        w = ["a", "b", "c"]
        t: List[str] = []
        for i in range(x.size(1)):
            k = 0 if bool(x[0, i] < -0.5) else (1 if bool(x[0, i] < 0.5) else 2)
            s = w[k]
            if s != "b" and len(t) < 4:
                t.append(s)
        return t, len(t)


@case("for_range_n", lambda: [(torch.tensor(3), r(2)), (torch.tensor(0), r(2))])
class ForRangeN(nn.Module):
    def forward(self, n, x):
        o = [x]
        for i in range(int(n)):
            o.append(o[i] * 2)
        return torch.stack(o), o[len(o) - 1]


@case("range_step", lambda: [(torch.tensor(3), r(2)), (torch.tensor(1), r(2))])
class RangeStep(nn.Module):
    def forward(self, n, x):
        o: List[int] = []
        for i in range(1, int(n) * 4, 3):
            o.append(i)
        for i in range(int(n), -1, -1):
            o.append(i)
        return o


@case("in_place_row", ROWS)
class InPlaceRow(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            o.append(x[i].clone())
        for i in range(len(o)):
            o[i] += 1
        o[0][0] = 7.0
        return torch.stack(o)


@case("named_t", ROWS)
class NamedT(nn.Module):
    def forward(self, x):
        o: List[Tuple[Tensor, Tuple[int, float]]] = []
        for i in range(x.size(0)):
            o.append((x[i], (i, float(i) * 0.5)))
        t, (k, f) = o[-1]
        return t, k, f, o[0][1][0]


@torch.jit.script
def loopy(x: Tensor) -> Tensor:
    o: List[Tensor] = []
    for i in range(x.size(0)):
        o.insert(0, x[i])
        if bool(x[i].sum() > 1):
            break
    return torch.stack(o)


@case("traced", ROWS, how="trace")
class Traced(nn.Module):
    def forward(self, x):
        return loopy(x * 2).sum(0)


@case("zipped_3", ROWS)
class Zipped3(nn.Module):
    def forward(self, x):
        a = [v for v in x]
        b = [v * 2 for v in x]
        o: List[Tensor] = []
        for i, (u, v) in enumerate(zip(a, b)):
            o.append(u * i + v)
        return torch.stack(o)


@case("eq", ROWS)
class Eq(nn.Module):
    def forward(self, x):
        a: List[int] = []
        b: List[int] = []
        for i in range(x.size(0)):
            a.append(i)
            b.insert(0, i)
        return a == b, a != b, a == [0]


@case("slice_assign", ROWS)
class SliceAssign(nn.Module):
    def forward(self, x):
        a: List[int] = []
        for i in range(x.size(0) * 2):
            a.append(i)
        a.extend(a[:2])
        a.remove(0)
        return a, a.count(1), (3 in a)


@case("best_keep", ROWS)
class BestKeep(nn.Module):
    def forward(self, x):
        best: List[int] = []
        bs = -1e9
        for i in range(x.size(0)):
            c: List[int] = []
            for j in range(x.size(1)):
                if bool(x[i, j] > 0):
                    c.append(j)
            s = float(x[i].sum())
            if s > bs:
                best = c
                bs = s
        return best, bs
