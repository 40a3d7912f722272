"""Arguments and results of every form, and forms of the batch axis."""

from typing import Dict, List, Optional, Tuple

import torch
import torch.nn as nn

from generate.case import Family

family = Family("signature")
r = torch.randn


@family(
    "identity",
    lambda: [(r(2, 3),), (r(4, 3),)],
    how="both",
    note="a result that is the argument, and one returned twice",
)
class Identity(nn.Module):
    def forward(self, x):
        y = x + 1
        return x, y, y


@family("one_result_tuple", lambda: [(r(2, 3),), (r(4, 3),)], how="both")
class OneResultTuple(nn.Module):
    def forward(self, x):
        return (x * 2,)


@family("unused_argument", lambda: [(r(2, 3), r(5), r(2, 3)), (r(4, 3), r(1), r(4, 3))], how="both")
class UnusedArgument(nn.Module):
    def forward(self, x, unused, y):
        return x - y


@family(
    "constant_results",
    lambda: [(r(2, 3),), (r(4, 3),)],
    how="both",
    batch="none",
    note="results that do not depend on the argument: a weight, a constant, numbers",
)
class ConstantResults(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(r(2))

    def forward(self, x):
        return self.weight, torch.tensor([1, 2]), torch.ones(2, 2), x * 0 + 1


@family("nested_results", lambda: [(r(2, 3),), (r(4, 3),)], how="both", note="tuples and lists within tuples")
class NestedResults(nn.Module):
    def forward(self, x):
        return x, (x + 1, [x + 2, x + 3]), (x.sum(1), (x.mean(1),))


@family("dictionary", lambda: [(r(2, 3),), (r(4, 3),)], how="both", strict=False)
class Dictionary(nn.Module):
    def forward(self, x):
        return {"out": x * 2, "aux": x.sum(1)}


@family("dictionary_argument", lambda: [({"a": r(2, 3), "b": r(2, 3)},), ({"a": r(4, 3), "b": r(4, 3)},)], how="both")
class DictionaryArgument(nn.Module):
    def forward(self, x: Dict[str, torch.Tensor]):
        return x["a"] - x["b"], x["b"]


@family("tuple_argument", lambda: [(r(2, 3), (r(2, 3), r(2, 3))), (r(4, 3), (r(4, 3), r(4, 3)))], how="both")
class TupleArgument(nn.Module):
    def forward(self, x, pair: Tuple[torch.Tensor, torch.Tensor]):
        return x + pair[0], pair[1] * 2


@family("list_argument", lambda: [([r(2, 3), r(2, 2)],), ([r(4, 3), r(4, 2)],)], how="both")
class ListArgument(nn.Module):
    def forward(self, parts: List[torch.Tensor]):
        return torch.cat(parts, 1), parts[-1]


@family(
    "numbers",
    lambda: [(r(2, 3), 2, 0.5, True), (r(4, 3), -1, 1.5, False)],
    how="script",
    note="numbers as arguments, with defaults after them",
)
class Numbers(nn.Module):
    def forward(self, x, n: int, f: float, flag: bool, power: int = 2, mode: str = "sum"):
        y = x.abs() ** power * f + n
        if flag:
            y = -y
        return y.sum(1) if mode == "sum" else y, n * 2, f + n, not flag


@family(
    "optional_results", lambda: [(r(2, 3), None), (r(2, 3), r(2, 3))], how="script", note="a result that may be None"
)
class OptionalResults(nn.Module):
    def forward(self, x, y: Optional[torch.Tensor]) -> Tuple[torch.Tensor, Optional[torch.Tensor]]:
        if y is None:
            return x, None
        return x + y, y * 2


@family("no_argument", lambda: [()], how="script", batch="none")
class NoArgument(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(r(2, 3))

    def forward(self):
        return self.weight * 2


@family(
    "zero_dims",
    lambda: [(torch.tensor(2.5), torch.tensor(3)), (torch.tensor(-1.0), torch.tensor(7))],
    how="both",
    batch="none",
)
class ZeroDims(nn.Module):
    def forward(self, x, n):
        return x * 2, n + 1, x.reshape(1), (x + n).unsqueeze(0)


@family("empty", lambda: [(r(2, 3),), (r(0, 3),)], how="both", note="the second batch has no rows")
class Empty(nn.Module):
    def forward(self, x):
        return x * 2, x.sum(1), torch.cat([x, x], 1), x @ x.new_ones(3, 2), x.view(-1)


@family(
    "types",
    lambda: [
        (
            torch.tensor([[True], [False]]),
            torch.tensor([[5], [250]], dtype=torch.uint8),
            torch.tensor([[1], [2]], dtype=torch.int32),
            torch.tensor([[-3], [4]], dtype=torch.int8),
            torch.tensor([[300], [-300]], dtype=torch.int16),
            torch.tensor([[1.5], [2.5]], dtype=torch.float64),
        )
    ],
    how="both",
    note="arguments and results of the less common types",
)
class Types(nn.Module):
    def forward(self, b, u, i, c, s, d):
        return ~b, u + 1, i * 2, c.to(torch.int32) + s, s, d / 3


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(32, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).view(2, 32))


class Flat(Fixed):
    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).view(x.size(0), -1))


family.add(
    "batch_locked", Fixed, lambda: [(r(2, 1, 6, 6),)], how="both", batch="locked:2", note="a literal batch of two"
)
family.add(
    "batch_flat", Flat, lambda: [(r(2, 1, 6, 6),), (r(5, 1, 6, 6),), (r(1, 1, 6, 6),)], how="both", batch="dynamic"
)


@family(
    "rows_mixed",
    lambda: [(r(4, 6),), (r(2, 6),)],
    how="both",
    batch="none",
    note="rows influence each other: requests may not be merged",
)
class RowsMixed(nn.Module):
    def forward(self, x):
        return x - x.mean(0, keepdim=True), x.softmax(0), x @ x.t()


@family("time_first", lambda: [(r(5, 2, 3),), (r(3, 4, 3),)], batch="none", note="the batch is axis one")
class TimeFirst(nn.Module):
    def forward(self, x):
        return x.mean(0), x.cumsum(0)


@family(
    "frozen",
    lambda: [(r(2, 3, 8, 8),), (r(1, 3, 6, 6),)],
    how="both",
    freeze=True,
    note="torch.jit.freeze: weights are constants of the code",
)
class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )

    def forward(self, x):
        return self.net(x)
