"""Small models written out here, each a family's structure at a width of a few channels."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY = 40


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.norm2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.down = (
            nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
            if stride > 1 or before != after
            else None
        )

    def forward(self, x):
        y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks = nn.Sequential(Block(6, 6, 1), Block(6, 8, 2))
        self.pool, self.head = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 2, 1), nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.Hardswish(inplace=True),
            nn.Conv2d(6, 6, 3, 1, 1, groups=6, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU6(inplace=True),
            Squeeze(6),
            nn.Conv2d(6, 8, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.SiLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2, inplace=True),
            nn.Linear(8, 5),
        )

    def forward(self, x):
        return self.net(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = self.pair(1, 4), self.pair(4, 6)
        self.up, self.join, self.head = nn.ConvTranspose2d(6, 4, 2, 2), self.pair(8, 4), nn.Conv2d(4, 2, 1)

    @staticmethod
    def pair(before, after):
        return nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        a = self.down1(x)
        b = self.up(self.down2(F.max_pool2d(a, 2)))
        rest_y, rest_x = a.size(2) - b.size(2), a.size(3) - b.size(3)
        b = F.pad(b, [rest_x // 2, rest_x - rest_x // 2, rest_y // 2, rest_y - rest_y // 2])
        return self.head(self.join(torch.cat([a, b], dim=1)))


class Attention(nn.Module):
    """Self-attention with an optional mask that is added to the scores."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads) + mask
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.mlp = (
            Attention(width, heads),
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)),
        )

    def forward(self, x, mask):
        x = x + self.attention(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token, self.positions = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 17, 8))
        self.layers, self.norm, self.head = nn.ModuleList([Layer(8, 2), Layer(8, 2)]), nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x):
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.size(0), -1, -1), y], dim=1) + self.positions
        for layer in self.layers:
            y = layer(y, torch.zeros(1))
        return self.head(self.norm(y)[:, 0])


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions, self.norm = (
            nn.Embedding(VOCABULARY, 8, padding_idx=0),
            nn.Embedding(32, 8),
            nn.LayerNorm(8, eps=1e-12),
        )
        self.layers, self.pooler = nn.ModuleList([Layer(8, 2), Layer(8, 2)]), nn.Linear(8, 8)

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.positions(torch.arange(ids.size(1), device=ids.device))[None])
        hidden = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        for layer in self.layers:
            x = layer(x, hidden)
        return x, torch.tanh(self.pooler(x[:, 0]))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions, self.norm = nn.Embedding(VOCABULARY, 8), nn.Embedding(32, 8), nn.LayerNorm(8)
        self.layers = nn.ModuleList([Layer(8, 2), Layer(8, 2)])
        self.register_buffer("hidden", torch.full((32, 32), float("-inf")).triu(1), persistent=False)

    def forward(self, ids):
        t = ids.size(1)
        x = self.words(ids) + self.positions.weight[:t]
        for layer in self.layers:
            x = layer(x, self.hidden[:t, :t])
        return self.norm(x) @ self.words.weight.t()


class Norm(nn.Module):
    """Root-mean-square norm in float32."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class LlamaLayer(nn.Module):
    """Four query heads over two key heads, rotary positions, gated feed-forward."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = Norm(16), Norm(16)
        self.q, self.k, self.v, self.o = (nn.Linear(16, n, bias=False) for n in (16, 8, 8, 16))
        self.gate, self.up, self.down = (
            nn.Linear(16, 20, bias=False),
            nn.Linear(16, 20, bias=False),
            nn.Linear(20, 16, bias=False),
        )

    def turn(self, x, cosine, sine):
        return x * cosine + torch.cat([-x[..., 2:], x[..., :2]], dim=-1) * sine

    def forward(self, x, cosine, sine):
        b, t, _ = x.shape
        y = self.norm1(x)
        q = self.turn(self.q(y).view(b, t, 4, 4).transpose(1, 2), cosine, sine)
        k = self.turn(self.k(y).view(b, t, 2, 4).transpose(1, 2), cosine, sine)
        v = self.v(y).view(b, t, 2, 4).transpose(1, 2)
        k = k[:, :, None].expand(b, 2, 2, t, 4).reshape(b, 4, t, 4)
        v = v[:, :, None].expand(b, 2, 2, t, 4).reshape(b, 4, t, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, 16)
        x = x + self.o(y)
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.layers, self.norm = (
            nn.Embedding(VOCABULARY, 16),
            nn.ModuleList([LlamaLayer(), LlamaLayer()]),
            Norm(16),
        )
        self.head = nn.Linear(16, VOCABULARY, bias=False)
        self.register_buffer("frequencies", 1.0 / 100 ** (torch.arange(0, 4, 2).float() / 4), persistent=False)

    def forward(self, ids):
        angle = torch.arange(ids.size(1), device=ids.device)[:, None] * self.frequencies
        angle = torch.cat([angle, angle], dim=-1)
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x, angle.cos(), angle.sin())
        return self.head(self.norm(x))


class Speech(nn.Module):
    """Convolutions over sound features, then a recurrent layer, as small recognisers do."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(6, 8, 5, stride=2, padding=2), nn.BatchNorm1d(8)
        self.net, self.head = nn.GRU(8, 6, batch_first=True, bidirectional=True), nn.Linear(12, 7)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x))).transpose(1, 2)
        return F.log_softmax(self.head(self.net(y)[0]), dim=-1)


class Tabular(nn.Module):
    """Embedded categories beside normalised numbers."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(n, 3) for n in (5, 7, 4)])
        self.norm = nn.BatchNorm1d(4)
        self.net = nn.Sequential(nn.Linear(13, 12), nn.ReLU(), nn.BatchNorm1d(12), nn.Dropout(0.1), nn.Linear(12, 2))

    def forward(self, categories, numbers):
        parts = []
        for i, table in enumerate(self.tables):
            parts.append(table(categories[:, i]))
        return self.net(torch.cat(parts + [self.norm(numbers)], dim=1)).sigmoid()


class TemporalConvolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, 4, 3, dilation=d) for d in (1, 2, 4)])
        self.gates = nn.ModuleList([nn.Conv1d(4, 4, 3, dilation=d) for d in (1, 2, 4)])

    def forward(self, x):
        skips = torch.zeros_like(x)
        for i, (conv, gate) in enumerate(zip(self.convs, self.gates)):
            padded = F.pad(x, (2 << i, 0))
            y = torch.tanh(conv(padded)) * torch.sigmoid(gate(padded))
            skips = skips + y
            x = x + y
        return skips


class GraphNet(nn.Module):
    """Two rounds of messages along edges given as index pairs, shared by all rows."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("edges", torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 2]]))

    def forward(self, x):
        messages = self.first(x)[:, self.edges[0]]
        x = torch.relu(torch.zeros_like(messages[:, :4]).index_add(1, self.edges[1], messages))
        messages = self.second(x)[:, self.edges[0]]
        return torch.zeros_like(messages[:, :4]).index_add(1, self.edges[1], messages)


def pixels(channels, height, width):
    return lambda batch, length: (torch.randn(batch, channels, height + 4 * (batch % 2), width + 4 * (length % 3)),)


def ids(batch, length):
    return (torch.randint(1, VOCABULARY, (batch, length)),)


def ids_and_mask(batch, length):
    kept = torch.tensor([max(1, length - row) for row in range(batch)])
    return (*ids(batch, length), (torch.arange(length)[None] < kept[:, None]).long())


MODELS = [
    ("resnet", ResNet, pixels(3, 20, 20)),
    ("mobilenet", MobileNet, pixels(3, 16, 16)),
    ("unet", UNet, pixels(1, 14, 13)),
    ("vit", Vit, lambda batch, length: (torch.randn(batch, 3, 16, 16),)),
    ("bert", Bert, ids_and_mask),
    ("gpt", Gpt, ids),
    ("llama", Llama, ids),
    ("speech", Speech, lambda batch, length: (torch.randn(batch, 6, 3 * length),)),
    ("tabular", Tabular, lambda batch, length: (torch.randint(0, 4, (batch, 3)), torch.randn(batch, 4))),
    ("temporal_convolutions", TemporalConvolutions, lambda batch, length: (torch.randn(batch, 4, length),)),
    ("graph", GraphNet, lambda batch, length: (torch.randn(batch, 4, 4),)),
]
