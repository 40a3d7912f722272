"""Scripted lists and dicts that branches, breaks, attributes and returns change."""

from typing import Dict, List, Optional, Tuple

import torch
import torch.nn as nn

from generate.case import Family

family = Family("list_flow")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **{"batch": "none", **options})


ROWS = lambda: [(r(3, 4),), (r(6, 2),), (r(1, 3),)]


@scripted("append_and_break", ROWS)
class AppendAndBreak(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        h = x
        for i in range(x.size(1)):
            h = (h * 0.7).tanh()
            out.append(h)
            if bool((h.abs() < 0.3).all()):
                break
        return torch.stack(out)


@scripted("append_in_branch", ROWS)
class AppendInBranch(nn.Module):
    def forward(self, x):
        a: List[torch.Tensor] = [x[0]]
        b: List[torch.Tensor] = [x[0]]
        for i in range(x.size(0)):
            if bool(x[i].sum() > 0):
                a.append(x[i])
            else:
                b.append(x[i] * 2)
        return torch.stack(a), torch.stack(b), len(a)


@scripted("append_after_branch", lambda: [(torch.tensor(2.0), r(3)), (torch.tensor(-2.0), r(3))], note="no loop")
class AppendAfterBranch(nn.Module):
    def forward(self, t, x):
        out = [x]
        if bool(t > 0):
            out.append(x * 2)
            out.append(x * 3)
        else:
            out.insert(0, x - 1)
        out.append(x + t)
        return torch.stack(out), len(out), out[-2]


@scripted(
    "lists_by_branch", lambda: [(torch.tensor(2.0), r(3)), (torch.tensor(-2.0), r(3))], note="a branch makes the list"
)
class ListsByBranch(nn.Module):
    def forward(self, t, x):
        if bool(t > 0):
            out = [x, x * 2]
            n = [1, 2, 3]
        else:
            out = [x - 1]
            n = [4]
        return torch.cat(out), n, out


@scripted("continue_and_break", ROWS)
class ContinueAndBreak(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        n: List[int] = []
        for i in range(x.size(0)):
            if i % 2 == 1:
                continue
            out.append(x[i])
            n.append(i)
            if bool(x[i].sum() > 2.0):
                break
            n.append(-1)
        return out, n


@scripted("return_in_loop", ROWS)
class ReturnInLoop(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = [x[0]]
        for i in range(x.size(0)):
            out.append(x[i] * 2)
            if bool(x[i].sum() > 0.5):
                return torch.stack(out)
        out.append(x[0] - 1)
        return torch.stack(out)


@scripted("return_a_list", ROWS)
class ReturnAList(nn.Module):
    def forward(self, x) -> List[torch.Tensor]:
        out: List[torch.Tensor] = []
        if bool(x.sum() > 0):
            return [x, x + 1, x + 2]
        for i in range(x.size(0)):
            out.append(x + i)
        return out


@scripted("while_true", ROWS)
class WhileTrue(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        n = 0
        while True:
            y = x * (n + 1)
            out += [y]
            n += 1
            if bool(y.abs().sum() > 20) or n >= 6:
                break
        return torch.stack(out, 1), n


@scripted("while_list_is_short", ROWS)
class WhileListIsShort(nn.Module):
    def forward(self, x):
        out: List[int] = [1, 1]
        limit = int(x.abs().sum() * 3) + 3
        while out[-1] < limit:
            out.append(out[-1] + out[-2])
        stack = [x.size(0)]
        steps = 0
        while len(stack) > 0:
            n = stack.pop()
            steps += 1
            if n > 1:
                stack.append(n // 2)
                stack.append(n - n // 2)
        return out, steps


@scripted("nested_growth", ROWS)
class NestedGrowth(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        for i in range(x.size(0)):
            row: List[torch.Tensor] = []
            for j in range(x.size(1)):
                row.append(x[i, j] * 2)
                if bool(x[i, j] > 1):
                    break
            out.append(torch.stack(row))
        return out, torch.cat(out)


@scripted("shared_growth", ROWS, note="two loops, one inside the other, append to one list")
class SharedGrowth(nn.Module):
    def forward(self, x):
        out: List[torch.Tensor] = []
        for i in range(x.size(0)):
            out.append(x[i].sum())
            for j in range(i):
                out.append(x[i, 0] + j)
        return torch.stack(out), len(out)


@scripted("replaced_list", ROWS, note="a variable gets another list in every round")
class ReplacedList(nn.Module):
    def forward(self, x):
        now = [x[0]]
        for i in range(x.size(0)):
            following: List[torch.Tensor] = []
            for j in range(len(now)):
                following.append(now[j] * 0.5)
            following.append(x[i])
            now = following
        return torch.stack(now), len(now)


@scripted("window", ROWS, note="a list of bounded length that slides")
class Window(nn.Module):
    def forward(self, x):
        last: List[torch.Tensor] = []
        out: List[torch.Tensor] = []
        for i in range(x.size(0)):
            last.append(x[i])
            if len(last) > 2:
                last = last[1:]
            total = torch.zeros(x.size(1))
            for row in last:
                total = total + row
            out.append(total)
        return torch.stack(out), len(last)


@scripted("dict_in_loop", ROWS)
class DictInLoop(nn.Module):
    def forward(self, x):
        d: Dict[str, torch.Tensor] = {"sum": torch.zeros(x.size(1)), "last": x[0]}
        n: Dict[str, int] = {"a": 0, "b": 0}
        for i in range(x.size(0)):
            d["sum"] = d["sum"] + x[i]
            d["last"] = x[i]
            if bool(x[i].sum() > 0):
                n["a"] += 1
            else:
                n["b"] += i
        return d, n


@scripted("dict_of_lists", ROWS)
class DictOfLists(nn.Module):
    def forward(self, x):
        a: List[torch.Tensor] = []
        b: List[torch.Tensor] = []
        d: Dict[str, List[torch.Tensor]] = {"up": a, "down": b}
        for i in range(x.size(0)):
            d["up"].append(x[i])
            d["down"].insert(0, x[i])
        return torch.stack(d["up"]), torch.stack(d["down"])


@scripted("attribute_list", ROWS, note="a list that a method of the module fills")
class AttributeList(nn.Module):
    def __init__(self):
        super().__init__()
        self.kept: List[torch.Tensor] = [torch.ones(2)]
        self.scale = 2.0

    def fill(self, x):
        kept: List[torch.Tensor] = []
        for i in range(x.size(0)):
            kept.append(x[i] * self.scale)
        self.kept = kept

    def forward(self, x):
        self.fill(x)
        return torch.stack(self.kept)


@scripted("attribute_cells", lambda: [(r(2, 3),), (r(4, 3),)], note="anchors are converted and kept in the module")
class AttributeCells(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = [torch.arange(12.0).reshape(3, 4), torch.ones(2, 4)]

    def set(self, dtype: torch.dtype, device: torch.device):
        self.cells = [c.to(dtype=dtype, device=device) for c in self.cells]

    def forward(self, x):
        self.set(x.dtype, x.device)
        return [c + x.mean() for c in self.cells]


@scripted(
    "kept_list", lambda: [(r(2, 3),), (r(2, 3),), (r(2, 3),)], stateful=True, note="a list of two tensors as state"
)
class KeptList(nn.Module):
    def __init__(self):
        super().__init__()
        self.state = [torch.zeros(2, 3), torch.ones(2, 3)]

    def forward(self, x):
        a = self.state[0] * 0.5 + x
        b = self.state[1] + a
        self.state = [a, b]
        return b


@scripted("kept_items", lambda: [(r(2, 3),), (r(2, 3),), (r(2, 3),)], stateful=True, note="items of a list are state")
class KeptItems(nn.Module):
    def __init__(self):
        super().__init__()
        self.state = [torch.zeros(2, 3), torch.ones(2, 3)]
        self.count: Dict[str, torch.Tensor] = {"n": torch.zeros(1)}

    def forward(self, x):
        self.state[0] = self.state[0] + x
        self.count["n"] = self.count["n"] + 1
        return self.state[0] * self.count["n"]


@scripted("names", lambda: [(r(2, 3),), (r(5, 3),)], note="names of classes; strings are not in the file of cases")
class Names(nn.Module):
    def __init__(self):
        super().__init__()
        self.labels = ["cat", "dog", "bird"]

    def forward(self, x):
        n: List[str] = []
        best = x.argmax(1)
        cats = 0
        for k in range(best.size(0)):
            n.append(self.labels[int(best[k])])
            if n[-1] == "cat":
                cats += 1
        label = "many" if cats > 1 else "few"
        if label != "many":
            x = x * 2
        return x, n, cats, "dog" in n


@scripted("counts_of_names", lambda: [(torch.tensor([0, 2, 1, 2]),), (torch.tensor([1]),)])
class CountsOfNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.labels = ["a", "b", "c"]

    def forward(self, x):
        names: List[str] = []
        for k in range(x.size(0)):
            names.insert(0, self.labels[int(x[k])])
        return names.count("c"), names.index("b"), len(names), names[0] == names[-1]


@scripted("optional_tuple", ROWS, note="an LSTM-like state that is None before the first round")
class OptionalTuple(nn.Module):
    def forward(self, x):
        state: Optional[Tuple[torch.Tensor, torch.Tensor]] = None
        out: List[torch.Tensor] = []
        for i in range(x.size(0)):
            if state is None:
                h, c = torch.zeros(x.size(1)), torch.ones(x.size(1))
            else:
                h, c = state
            h = h * 0.5 + x[i]
            c = c + h
            state = (h, c)
            out.append(h * c)
        return torch.stack(out)


@scripted("optional_by_branch", lambda: [(torch.tensor(2.0), r(3)), (torch.tensor(-2.0), r(3))])
class OptionalByBranch(nn.Module):
    def forward(self, t, x):
        y: Optional[torch.Tensor] = None
        n: Optional[int] = None
        if bool(t > 0):
            y = x * 2
        elif bool(t < -1):
            n = 3
        if y is not None:
            x = x + y
        k = 1
        if n is not None:
            k = n + 2
        return x, k
