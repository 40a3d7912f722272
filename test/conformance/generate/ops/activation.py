"""Activation functions, as functions, as modules and in place."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("activation")


def rows(*shapes):
    return lambda: [(torch.randn(*shape) * 3,) for shape in shapes]


@family("rectifiers", rows((3, 4), (2, 5, 3)), how="both")
class Rectifiers(nn.Module):
    def forward(self, x):
        return (
            torch.relu(x),
            F.relu6(x),
            F.leaky_relu(x, 0.1),
            F.elu(x, 1.5),
            F.selu(x),
            F.celu(x, 2.0),
            F.hardtanh(x, -0.5, 0.7),
            F.threshold(x, 0.3, -1.0),
        )


@family("sigmoids", rows((3, 4), (2, 5, 3)), how="both")
class Sigmoids(nn.Module):
    def forward(self, x):
        return (
            torch.sigmoid(x),
            F.logsigmoid(x),
            F.hardsigmoid(x),
            F.silu(x),
            F.hardswish(x),
            F.mish(x),
            torch.tanh(x),
            F.softsign(x),
        )


@family("gelus", rows((3, 4), (2, 5, 3)), how="both")
class Gelus(nn.Module):
    def forward(self, x):
        return (
            F.gelu(x),
            F.gelu(x, approximate="tanh"),
            F.softplus(x),
            F.softplus(x, 2.0, 1.0),
            F.tanhshrink(x),
            F.softshrink(x, 0.4),
            F.hardshrink(x, 0.6),
        )


@family("softmaxes", rows((3, 4), (2, 5)), how="both")
class Softmaxes(nn.Module):
    def forward(self, x):
        return (
            F.softmax(x, dim=-1),
            F.softmax(x, dim=0),
            F.log_softmax(x, dim=1),
            F.softmin(x, dim=1),
            torch.softmax(x, 1, dtype=torch.float64),
            F.softmax(x.unsqueeze(1), dim=-2),
        )


@family("gates", lambda: [(torch.randn(3, 4, 5),), (torch.randn(2, 6, 7),)], how="both")
class Gates(nn.Module):
    def forward(self, x):
        return F.glu(x, 1), F.glu(x.transpose(1, 2), -1)


@family("prelu", lambda: [(torch.randn(3, 4, 5),), (torch.randn(1, 4, 2),)], how="both")
class Prelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.PReLU(init=0.3)
        self.per_channel = nn.PReLU(4)
        with torch.no_grad():
            self.per_channel.weight.uniform_(-0.5, 0.9)

    def forward(self, x):
        return self.shared(x), self.per_channel(x), F.rrelu(x, 0.1, 0.3)


@family("in_place", rows((3, 4), (2, 5, 3)), how="both")
class InPlace(nn.Module):
    def forward(self, x):
        a = F.relu(x + 1, inplace=True)
        b = F.hardswish(x * 2, inplace=True)
        c = F.silu(x - 1, inplace=True)
        d = F.leaky_relu(x * 3, 0.2, inplace=True)
        e = F.elu(x * 4, inplace=True)
        f = F.relu6(x * 5, inplace=True)
        g = F.hardsigmoid(x + 2, inplace=True)
        return a, b, c, d, e, f, g


@family("in_place_methods", rows((3, 4), (2, 5, 3)))
class InPlaceMethods(nn.Module):
    def forward(self, x):
        y = x.clone()
        y.relu_()
        z = (x * 2).sigmoid_().tanh_()
        return y, z, x.clone().clamp_(-0.5, 0.5), (x + 0).clamp_min_(0.1), F.threshold_(x * 1, 0.0, 2.0)


@family("module_stack", rows((3, 4), (5, 4)), how="both")
class ModuleStack(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(4, 6),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(6, 6),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(6, 5),
            nn.Tanh(),
            nn.Linear(5, 3),
            nn.LogSoftmax(dim=-1),
        )

    def forward(self, x):
        return self.net(x)


@family("dropouts", rows((3, 4, 5, 6), (2, 4, 3, 3)), how="both", note="inactive in evaluation mode")
class Dropouts(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Dropout2d(0.3), nn.AlphaDropout(0.2), nn.FeatureAlphaDropout(0.2)

    def forward(self, x):
        return self.a(x), self.b(x), self.c(x), F.dropout(x, 0.5, False)


@family(
    "special_values", lambda: [(torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 88.0, -88.0]),)]
)
class SpecialValues(nn.Module):
    def forward(self, x):
        return (
            torch.relu(x),
            torch.sigmoid(x),
            torch.tanh(x),
            F.softplus(x),
            F.gelu(x),
            torch.clamp(x, -1, 1),
            F.hardsigmoid(x),
        )


@family(
    "float64",
    lambda: [(torch.randn(3, 4, dtype=torch.float64),), (torch.randn(2, 4, dtype=torch.float64),)],
    note="float64 all through",
)
class Float64(nn.Module):
    def forward(self, x):
        return (
            torch.relu(x),
            torch.sigmoid(x),
            F.gelu(x),
            F.softmax(x, -1),
            F.silu(x),
            F.leaky_relu(x),
            F.hardswish(x),
            F.elu(x),
        )


@family("integers", lambda: [(torch.randint(-5, 5, (3, 4)),), (torch.randint(-9, 9, (2, 5)),)])
class Integers(nn.Module):
    def forward(self, x):
        return (
            torch.relu(x),
            torch.sigmoid(x),
            torch.tanh(x),
            x.clamp(min=-2, max=3),
            F.relu6(x.to(torch.int32)),
            torch.exp(x),
        )
