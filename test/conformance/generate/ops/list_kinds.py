"""Lists of many dtypes, nestings and uses in scripted loops."""

from typing import List

import torch
import torch.nn as nn
from torch import Tensor

from generate.case import Family

family = Family("list_kinds")
r = torch.randn
ROWS = lambda: [(r(3, 4),), (r(6, 2),), (r(1, 3),)]


def case(name, calls, how="script"):
    return family(name, calls, how=how, batch="none")


@case("half_items", ROWS)
class HalfItems(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            if i % 2 == 0:
                o.append(x[i].half())
            else:
                o.append((x[i] * 2).half())
        return torch.stack(o).float(), o


@case("int_items", ROWS)
class IntItems(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            n = int(x[i].abs().sum()) % 3
            o.append(torch.arange(n, dtype=torch.int32))
        return o, torch.cat(o)


@case("bool_items", ROWS)
class BoolItems(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            o.insert(0, x[i:] > 0)
        return o, torch.cat(o)


@case("double_items", ROWS)
class DoubleItems(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            o += [x[i].double()]
            if bool(x[i].sum() > 0):
                o.pop(0)
        return len(o), o


@case("while_else", ROWS)
class WhileElse(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        i = 0
        while i < x.size(0):
            if bool(x[i].sum() < -1):
                i += 1
                continue
            o.append(x[i])
            i += 1
            if len(o) >= 3:
                break
        return o, i


@case("return_in_nested", ROWS)
class ReturnInNested(nn.Module):
    def forward(self, x):
        o: List[int] = []
        for i in range(x.size(0)):
            for j in range(x.size(1)):
                o.append(i * 10 + j)
                if bool(x[i, j] > 1.0):
                    return o
        o.append(-1)
        return o


@case("helper", ROWS)
class Helper(nn.Module):
    def grow(self, o: List[Tensor], x: Tensor, n: int):
        for i in range(n):
            o.append(x[i] * n)

    def forward(self, x):
        o: List[Tensor] = []
        self.grow(o, x, x.size(0))
        self.grow(o, x * 2, x.size(0))
        return torch.stack(o)


@case("self_list", ROWS)
class SelfList(nn.Module):
    def __init__(self):
        super().__init__()
        self.o = torch.jit.Attribute([], List[Tensor])

    def forward(self, x):
        self.o = torch.jit.annotate(List[Tensor], [])
        for i in range(x.size(0)):
            self.o.append(x[i])
        return torch.stack(self.o)


@case("stack_2_d", ROWS)
class Stack2D(nn.Module):
    def forward(self, x):
        rows: List[Tensor] = []
        for i in range(x.size(0)):
            cols: List[Tensor] = []
            for j in range(x.size(1)):
                cols.append(x[i, j] * j)
            rows.append(torch.stack(cols))
        return torch.stack(rows)


@case("lists_of_tensors", ROWS)
class LLT(nn.Module):
    def forward(self, x):
        rows: List[List[Tensor]] = []
        for i in range(x.size(0)):
            cols: List[Tensor] = []
            for j in range(i + 1):
                cols.append(x[j] + i)
            rows.append(cols)
        return rows, torch.stack(rows[-1])


@case("cond_expr", ROWS)
class CondExpr(nn.Module):
    def forward(self, x):
        o: List[Tensor] = []
        for i in range(x.size(0)):
            o = o + [x[i]] if bool(x[i].sum() > 0) else [x[i] * 2] + o
        return o
