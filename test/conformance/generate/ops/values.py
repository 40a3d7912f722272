"""Scripted code over numbers, text, lists, dictionaries, tuples, enumerations, modules and functions."""

import enum
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("values")
r = torch.randn


def scripted(name, calls, **options):
    return family(name, calls, how="script", **options)


@scripted("lists", lambda: [(r(2, 6),), (r(3, 6),)])
class Lists(nn.Module):
    def forward(self, x):
        sizes = [1, 2, 3]
        sizes.reverse()
        parts = torch.split(x, sizes, dim=1)
        doubled = [p * 2 for p in parts]
        numbers = [i * i for i in range(4)]
        numbers.extend([7, 8])
        numbers[0] = 5
        flags = [n % 2 == 0 for n in numbers]
        chosen = doubled[1:] + [x]
        return torch.cat(chosen, 1), sum(numbers), max(numbers), flags, numbers[-2:], 7 in numbers


@scripted("dictionaries", lambda: [(r(2, 4),), (r(3, 4),)])
class Dictionaries(nn.Module):
    def forward(self, x) -> Dict[str, torch.Tensor]:
        out: Dict[str, torch.Tensor] = {"x": x}
        out["double"] = x * 2
        if "missing" not in out:
            out["sum"] = out["x"].sum(1)
        weights = {1: 0.5, 2: 0.25}
        total = torch.zeros_like(x)
        for key, weight in weights.items():
            total = total + x * key * weight
        out["total"] = total
        for value in list(out.values()):
            out["max"] = value.max()
        return out


@scripted("tuples", lambda: [(r(2, 4), (r(2, 4), 3)), (r(1, 2), (r(1, 2), -1))])
class Tuples(nn.Module):
    def forward(self, x, pair: Tuple[torch.Tensor, int]):
        y, n = pair
        a, (b, c) = (x, (y, n))
        return (a + b, (b * c, c)), [a, b], pair[1]


@scripted(
    "list_argument", lambda: [([r(2, 3), r(2, 3)],), ([r(1, 3), r(1, 3)],)], note="a list of tensors as the argument"
)
class ListArgument(nn.Module):
    def forward(self, parts: List[torch.Tensor]):
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return torch.cat(parts, 1), total, len(parts)


@scripted(
    "optionals",
    lambda: [(r(2, 4), None), (r(2, 4), r(4)), (r(1, 4),)],
    note="optional arguments, given, None and left out",
)
class Optionals(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias: Optional[torch.Tensor] = None

    def forward(self, x, scale: Optional[torch.Tensor] = None, power: Optional[int] = None):
        if scale is not None:
            x = x * scale
        if self.bias is not None:
            x = x + self.bias
        return x ** (2 if power is None else power)


class Pair(NamedTuple):
    first: torch.Tensor
    count: int


class Mode(enum.Enum):
    SUM = "sum"
    MEAN = "mean"


@scripted("named_tuple", lambda: [(r(2, 4),), (r(3, 2),)])
class NamedTuples(nn.Module):
    def forward(self, x):
        pair = Pair(x * 2, x.size(1))
        return pair, pair.first + pair.count


@scripted("enumeration", lambda: [(r(2, 4),), (r(3, 2),)])
class Enumeration(nn.Module):
    def __init__(self):
        super().__init__()
        self.mode = Mode.MEAN

    def forward(self, x):
        if self.mode == Mode.SUM:
            return x.sum(1)
        if self.mode.value == "mean":
            return x.mean(1)
        return x


@scripted("string_mode", lambda: [(r(2, 4),), (r(3, 2),)], note="strings choose the branch")
class StringMode(nn.Module):
    def __init__(self, mode="tanh"):
        super().__init__()
        self.mode = mode

    def pick(self, x, mode: str):
        if mode == "relu":
            return torch.relu(x)
        elif mode.startswith("tan") and len(mode) == 4:
            return torch.tanh(x)
        raise ValueError(f"unknown mode {mode}")

    def forward(self, x):
        names = ["relu", self.mode]
        return [self.pick(x, name) for name in names], self.pick(x, "re" + "lu")


@scripted(
    "items",
    lambda: [(torch.tensor([3.0, -1.0]), torch.tensor(4)), (torch.tensor([0.5, 2.0, 7.0]), torch.tensor(2))],
    batch="none",
    note="tensors read as numbers",
)
class Items(nn.Module):
    def forward(self, x, n):
        a = float(x[0])
        b = int(n)
        c = x.max().item()
        return x * a, x + c, torch.full([b, 2], a), a * b + 0.5, torch.arange(b), int(x.sum()) // 2


@scripted("number_functions", lambda: [(r(2, 6), 5, 2.5), (r(2, 3), -7, 0.25)], note="arithmetic of numbers")
class NumberFunctions(nn.Module):
    def forward(self, x, n: int, f: float):
        import_free = abs(n) // 2 + n % 3 - n // 4
        g = float(n) / 2 + f**2
        low = min(n, 3)
        high = max(f, 1.0)
        return x * g, import_free, low, high, round(f), int(f), n // -2, -n % 4


@scripted("text", lambda: [(r(2, 3),), (r(1, 4),)], note="formatted text, and text as a result")
class Text(nn.Module):
    def forward(self, x):
        name = "size {}x{}".format(x.size(0), x.size(1))
        label = f"{len(name)}:{name.upper()}"
        parts = "a,b,c".split(",")
        return x * len(parts), label, "-".join(parts)


@scripted("text_methods", lambda: [(r(2, 3),), (r(4, 3),)], note="methods of text and of dictionaries of numbers")
class TextMethods(nn.Module):
    def forward(self, x):
        name = " Layer.Weight ".strip().lower()
        at = name.find(".")
        table: Dict[str, int] = {"a": 1}
        table.update({"b": 2, "c": 3})
        other = table.copy()
        removed = other.pop("a")
        keys = list(table.keys())
        scale = float(table.get("z", 4)) + len(keys) + other["c"]
        text = str(at) + name.replace(".", "/") + name[:at] + str(name.endswith("weight"))
        del other["b"]
        return x * scale, text, removed, len(other), int("12") + float("0.5"), keys


@scripted("list_methods", lambda: [(r(2, 3),), (r(4, 3),)], note="methods of lists of numbers")
class ListMethods(nn.Module):
    def forward(self, x):
        sizes = [3, 1, 2]
        sizes.sort()
        copied = sizes.copy()
        copied.remove(2)
        copied[1] += 10
        doubled = sizes * 2
        pairs = [(i, s) for i, s in enumerate(sizes)]
        total = 0
        for i, s in pairs:
            total += i * s
        nested = [[1, 2], [3]]
        nested[1].append(4)
        return (
            x * total,
            copied,
            doubled,
            sorted(doubled),
            sizes.index(3),
            doubled.count(1),
            nested,
            any([False, True]),
            all([False, True]),
            sizes == [1, 2, 3],
        )


@scripted("submodules", lambda: [(r(2, 4),), (r(3, 4),)])
class Submodules(nn.Module):
    def __init__(self):
        super().__init__()
        self.named = nn.ModuleDict({"up": nn.Linear(4, 6), "down": nn.Linear(6, 4)})
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        self.scales = nn.ParameterList([nn.Parameter(torch.randn(4)) for _ in range(2)])

    def forward(self, x):
        y = x
        for name, layer in self.named.items():
            y = layer(y)
        for i, block in enumerate(self.blocks):
            y = block(y) + i
        for scale in self.scales:
            y = y * scale
        for a, b in zip([1, 2], [0.5, 0.25]):
            y = y + a * b
        return y, self.blocks[0](x)


@torch.jit.script
def blend(x: torch.Tensor, y: torch.Tensor, weight: float = 0.25):
    return x * weight + y * (1 - weight)


@family("mixed", lambda: [(r(2, 3),), (r(4, 3),)], note="a traced module that calls scripted code")
class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        return blend(self.fc(x), x), blend(x, x * 2, 0.5)


@scripted("helpers", lambda: [(r(2, 3),), (r(4, 3),)], note="functions, methods and defaults")
class Helpers(nn.Module):
    scale: float

    def __init__(self):
        super().__init__()
        self.scale = 1.5

    @torch.jit.export
    def other(self, x):
        return x + 100

    @torch.jit.ignore
    def hidden(self, x):
        return x

    def twice(self, x, times: int = 2):
        return x * times * self.scale

    def forward(self, x):
        return self.twice(x), self.twice(x, times=3), blend(x, x + 1), self.other(x)


@scripted("forked", lambda: [(r(2, 3),), (r(4, 3),)], note="fork and wait")
class Forked(nn.Module):
    def forward(self, x):
        future = torch.jit.fork(blend, x, x * 3)
        y = F.relu(x)
        return torch.jit.wait(future) + y
