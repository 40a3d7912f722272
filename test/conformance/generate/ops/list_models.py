"""Small models whose scripted code works with lists: beams, segments, suppression of boxes, stacks of cells."""

from typing import Dict, List, Optional, Tuple

import torch
import torch.nn as nn
from torch import Tensor

from generate.case import Family

family = Family("list_models")
r = torch.randn
ROWS = lambda: [(r(3, 4),), (r(6, 2),), (r(1, 3),)]


def case(name, calls):
    return family(name, calls, how="script", batch="none")


@case("beam_ints", ROWS)
class BeamInts(nn.Module):
    def forward(self, x):
        hyps: List[List[int]] = [[0], [1]]
        scores: List[float] = [0.0, -1.0]
        for t in range(x.size(0)):
            nh: List[List[int]] = []
            ns: List[float] = []
            for k in range(len(hyps)):
                v, i = x[t].topk(2)
                for j in range(2):
                    nh.append(hyps[k] + [int(i[j])])
                    ns.append(scores[k] + float(v[j]))
            order = torch.tensor(ns).argsort(descending=True)
            hyps = [nh[int(order[0])], nh[int(order[1])]]
            scores = [ns[int(order[0])], ns[int(order[1])]]
        return hyps, scores


@case("opt_list", ROWS)
class OptList(nn.Module):
    def forward(self, x):
        o: Optional[List[Tensor]] = None
        for i in range(x.size(0)):
            if o is None:
                o = [x[i]]
            else:
                o.append(x[i] * 2)
        assert o is not None
        return torch.stack(o)


@case("flags", ROWS)
class Flags(nn.Module):
    def forward(self, x):
        f: List[bool] = []
        for i in range(x.size(0)):
            f.append(bool(x[i].sum() > 0))
        n = 0
        for v in f:
            if v:
                n += 1
        return f, n, any(f), all(f)


@case("deep_if", ROWS)
class DeepIf(nn.Module):
    def forward(self, x):
        a: List[Tensor] = []
        b: List[int] = []
        for i in range(x.size(0)):
            s = x[i].sum()
            if bool(s > 0):
                if bool(s > 1):
                    a.append(x[i])
                    b.append(2)
                else:
                    a.insert(0, x[i])
                    b.append(1)
            elif bool(s < -1):
                b.append(-1)
                if len(a) > 0:
                    a.pop()
        return a, b


class Sub(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 3)

    def forward(self, x: Tensor, mem: List[Tensor]) -> List[Tensor]:
        mem.append(self.l(x))
        if len(mem) > 2:
            mem.pop(0)
        return mem


@case("pass_list", lambda: [(r(2, 4, 3),), (r(1, 7, 3),), (r(1, 1, 3),)])
class PassList(nn.Module):
    def __init__(self):
        super().__init__()
        self.s = Sub()

    def forward(self, x):
        mem: List[Tensor] = []
        o: List[Tensor] = []
        for t in range(x.size(1)):
            mem = self.s(x[:, t], mem)
            o.append(torch.stack(mem).sum(0))
        return torch.stack(o, 1)


@case("multi_layer_lists", lambda: [(r(2, 4, 3),), (r(1, 7, 3),)])
class MultiLayerLists(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(3, 3) for _ in range(3)])

    def forward(self, x):
        hs = [torch.zeros(x.size(0), 3) for _ in range(3)]
        o = torch.jit.annotate(List[Tensor], [])
        for xt in x.unbind(1):
            for i, c in enumerate(self.cells):
                hs[i] = c(xt, hs[i])
                xt = hs[i]
            o.append(xt)
        return torch.stack(o, dim=1), torch.stack(hs)


@case("segments", lambda: [(torch.randint(0, 3, (9,)),), (torch.randint(0, 3, (4,)),)])
class Segments(nn.Module):
    def forward(self, y):
        seg: List[Tuple[int, int, int]] = []
        start = 0
        n = y.size(0)
        for i in range(1, n + 1):
            if i == n or int(y[i]) != int(y[start]):
                seg.append((int(y[start]), start, i))
                start = i
        return seg, len(seg)


@case("nms", lambda: [(r(5, 4).abs(), torch.tensor(0.5)), (r(7, 4).abs(), torch.tensor(0.2))])
class Nms(nn.Module):
    def forward(self, b, thr):
        boxes = torch.cat([b[:, :2], b[:, :2] + b[:, 2:]], 1)
        order = (b[:, 2] * b[:, 3]).argsort(descending=True)
        keep: List[int] = []
        while order.numel() > 0:
            i = int(order[0])
            keep.append(i)
            if order.numel() == 1:
                break
            rest = order[1:]
            lt = torch.maximum(boxes[i, :2], boxes[rest, :2])
            rb = torch.minimum(boxes[i, 2:], boxes[rest, 2:])
            wh = (rb - lt).clamp(min=0)
            inter = wh[:, 0] * wh[:, 1]
            ar = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            iou = inter / (ar[i] + ar[rest] - inter)
            order = rest[iou <= thr]
        return torch.tensor(keep), keep


@case(
    "length_regulator",
    lambda: [(r(2, 3, 4), torch.tensor([[1, 2, 0], [2, 1, 1]])), (r(1, 5, 4), torch.tensor([[3, 0, 1, 1, 2]]))],
)
class LengthRegulator(nn.Module):
    def forward(self, x, d):
        out: List[Tensor] = []
        for i in range(x.size(0)):
            rows: List[Tensor] = []
            for j in range(x.size(1)):
                rows.append(x[i, j : j + 1].expand(int(d[i, j]), -1))
            out.append(torch.cat(rows))
        n = max([o.size(0) for o in out])
        return torch.nn.utils.rnn.pad_sequence(out, batch_first=True), n


@case("to_list_nested", lambda: [(torch.arange(10).reshape(2, 5),), (torch.arange(9).reshape(3, 3),)])
class ToListNested(nn.Module):
    def forward(self, x):
        l: List[List[int]] = x.tolist()
        t = 0
        for row in l:
            for v in row:
                t += v
        return t, l, l[0]


@case("state_ring", ROWS)
class StateRing(nn.Module):
    def forward(self, x):
        buf = torch.zeros(2, x.size(1))
        o: List[Tensor] = []
        for i in range(x.size(0)):
            buf = torch.cat([buf[1:], x[i : i + 1]])
            o.append(buf.mean(0))
        return torch.stack(o), buf


@case("bool_arg", lambda: [(r(3, 4), True), (r(5, 4), False)])
class BoolArg(nn.Module):
    def forward(self, x, rev: bool):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            j = x.size(0) - 1 - i if rev else i
            o.append(x[j])
        if rev:
            o.reverse()
        return torch.stack(o)


@case("str_join", lambda: [(torch.tensor([1, 2, 0, 2]),), (torch.tensor([0]),)])
class StrJoin(nn.Module):
    def __init__(self):
        super().__init__()
        self.v = ["x", "yy", "z"]
        self.m = {"x": 1.5, "yy": 2.5, "z": 3.5}

    def forward(self, i):
        s: List[str] = []
        for k in range(i.size(0)):
            t = self.v[int(i[k])]
            if t == "yy":
                continue
            s.append(t)
        return s, len(s)


@case("dict_grow", ROWS)
class DictGrow(nn.Module):
    def forward(self, x):
        out: Dict[str, Tensor] = {}
        for i, n in enumerate(["a", "b", "c"]):
            out[n] = x * i
        a: Dict[str, List[Tensor]] = {"a": [x[0]], "b": [x[0]]}
        for i in range(x.size(0)):
            if bool(x[i].sum() > 0):
                a["a"].append(x[i])
            else:
                a["b"] = a["b"] + [x[i]]
        return out, a["a"], a["b"]


@case("early_ret", ROWS)
class EarlyRet(nn.Module):
    def f(self, x: Tensor, k: int) -> List[Tensor]:
        o: List[Tensor] = []
        for i in range(x.size(0)):
            if bool(x[i, 0] > 0) and i >= k:
                return o
            o.append(x[i])
        return o

    def forward(self, x):
        a = self.f(x, 0)
        b = self.f(x * -1, 1)
        return a, b, len(a) + len(b)


@case("copy_slice", ROWS)
class CopySlice(nn.Module):
    def forward(self, x):
        o = [x[i] for i in range(x.size(0))]
        p = o[:]
        p.append(x[0])
        q = o + p
        q.extend(p[1:])
        q[0] = q[-1]
        return torch.stack(q), len(o), len(p)


@case("ode", lambda: [(r(1, 3), 3), (r(1, 3), 6)])
class Ode(nn.Module):
    def forward(self, y, n: int):
        ts = [0.1 * i for i in range(n)]
        ys = [y]
        for i in range(1, n):
            dt = ts[i] - ts[i - 1]
            ys.append(ys[-1] - dt * ys[-1])
        return torch.stack(ys), ts
