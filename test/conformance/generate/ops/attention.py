"""Attention: the fused operators, nn.MultiheadAttention and nn.Transformer, on PyTorch's fast and slow paths."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("attention")
r = torch.randn


def heads(*sizes):
    """Calls of query, key and value: (batch, heads, queries, keys, width)."""
    return lambda: [(r(b, h, q, w), r(b, h, k, w), r(b, h, k, w)) for b, h, q, k, w in sizes]


def tokens(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


@family("sdpa", heads((2, 2, 3, 5, 4), (1, 2, 6, 4, 4)), how="both")
class Sdpa(nn.Module):
    def forward(self, q, k, v):
        return (
            F.scaled_dot_product_attention(q, k, v),
            F.scaled_dot_product_attention(q, k, v, scale=0.3),
            F.scaled_dot_product_attention(q[0], k[0], v[0]),
        )


@family(
    "sdpa_causal",
    heads((2, 2, 4, 4, 4), (1, 2, 6, 6, 4), (1, 2, 3, 5, 4)),
    how="both",
    note="the last call has more keys than queries",
)
class SdpaCausal(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True), F.scaled_dot_product_attention(
            q, k, v, None, 0.0, True
        )


def masked_heads():
    calls = []
    for b, q, k in ((2, 3, 5), (1, 4, 2)):
        keep = torch.rand(b, 1, q, k) > 0.4
        keep[..., 0] = True
        calls.append((r(b, 2, q, 4), r(b, 2, k, 4), r(b, 2, k, 4), keep, r(q, k)))
    return calls


@family("sdpa_masks", masked_heads, how="both", note="boolean and added masks")
class SdpaMasks(nn.Module):
    def forward(self, q, k, v, keep, bias):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=keep), F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias
        )


@family(
    "sdpa_masked_row",
    lambda: [(r(1, 1, 2, 4), r(1, 1, 3, 4), r(1, 1, 3, 4), torch.tensor([[True, False, True], [False, False, False]]))],
    note="a query that may see no key",
)
class SdpaMaskedRow(nn.Module):
    def forward(self, q, k, v, keep):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=keep)


@family(
    "sdpa_grouped",
    lambda: [(r(2, 4, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 4)), (r(1, 4, 2, 4), r(1, 2, 2, 4), r(1, 2, 2, 4))],
    how="both",
    note="four query heads share two key heads",
)
class SdpaGrouped(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


@family(
    "by_hand",
    lambda: [(r(2, 5, 8), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])), (r(1, 3, 8), torch.tensor([[1, 1, 0]]))],
    how="both",
    batch="dynamic",
)
class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.norm = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, x, mask):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(4)
        scores = scores.masked_fill(mask[:, None, None, :] == 0, float("-inf"))
        y = torch.matmul(F.softmax(scores, dim=-1), v).transpose(1, 2).contiguous().reshape(b, t, d)
        return self.norm(x + self.out(y))


@family("rotary", tokens((1, 2, 5, 4), (2, 2, 3, 4)), how="both")
class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("inverse", 1.0 / (100.0 ** (torch.arange(0, 4, 2).float() / 4)), persistent=False)

    def forward(self, x):
        angle = torch.outer(torch.arange(x.size(2), device=x.device).float(), self.inverse)
        angle = torch.cat((angle, angle), dim=-1)
        a, b = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return x * angle.cos() + torch.cat((-b, a), dim=-1) * angle.sin()


class SelfAttention(nn.Module):
    def __init__(self, batch_first=True, bias=True):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first, bias=bias)

    def forward(self, x):
        y, weights = self.attention(x, x, x)
        return y, weights


class SelfAttentionOnly(SelfAttention):
    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


family.add(
    "multihead", SelfAttention, tokens((2, 3, 8), (1, 5, 8)), how="both", batch="dynamic", note="the fused operator"
)
family.add(
    "multihead_grad",
    SelfAttention,
    tokens((2, 3, 8), (1, 5, 8)),
    grad=True,
    batch="dynamic",
    note="traced with autograd: the unfused path",
)
family.add("multihead_output_only", SelfAttentionOnly, tokens((2, 3, 8), (1, 5, 8)), batch="dynamic")
family.add("multihead_output_only_grad", SelfAttentionOnly, tokens((2, 3, 8), (1, 5, 8)), grad=True, batch="dynamic")
family.add("multihead_time_first", lambda: SelfAttention(False), tokens((3, 2, 8), (5, 1, 8)), batch="none")
family.add("multihead_no_bias", lambda: SelfAttentionOnly(bias=False), tokens((2, 3, 8), (1, 5, 8)), grad=True)


@family(
    "multihead_cross",
    lambda: [
        (r(2, 3, 8), r(2, 5, 6), torch.tensor([[False, False, False, True, True], [False] * 5])),
        (r(1, 4, 8), r(1, 2, 6), torch.tensor([[False, True]])),
    ],
    how="both",
    batch="dynamic",
    note="keys of another width, padded keys, averaged weights off",
)
class MultiheadCross(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=6)

    def forward(self, x, memory, padding):
        y, weights = self.attention(
            x, memory, memory, key_padding_mask=padding, need_weights=True, average_attn_weights=False
        )
        return y, weights


@family(
    "multihead_masked",
    lambda: [(r(2, 3, 8), torch.ones(3, 3).triu(1).bool()), (r(1, 4, 8), torch.ones(4, 4).triu(1).bool())],
    batch="none",
)
class MultiheadMasked(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, mask):
        return self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]


class Encoder(nn.Module):
    def __init__(self, norm_first=False, activation="relu", batch_first=True):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            8, 2, 12, batch_first=batch_first, norm_first=norm_first, activation=activation
        )
        self.encoder = nn.TransformerEncoder(
            layer, 1 if norm_first else 2, enable_nested_tensor=False, norm=nn.LayerNorm(8) if norm_first else None
        )

    def forward(self, x):
        return self.encoder(x)


def perturb(module):
    """Give norms (ones and zeros at first) and biases (zeros at first) values that change the outputs."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)


TOKENS = tokens((2, 3, 8), (1, 5, 8))
family.add("encoder", Encoder, TOKENS, how="both", batch="dynamic", prepare=perturb, note="the fused layer operator")
family.add(
    "encoder_grad",
    Encoder,
    TOKENS,
    grad=True,
    batch="dynamic",
    prepare=perturb,
    note="traced with autograd: the unfused path",
)
family.add("encoder_norm_first", lambda: Encoder(True, "gelu"), TOKENS, how="both", batch="dynamic", prepare=perturb)
family.add(
    "encoder_norm_first_grad", lambda: Encoder(True, "gelu"), TOKENS, grad=True, batch="dynamic", prepare=perturb
)
family.add(
    "encoder_time_first",
    lambda: Encoder(batch_first=False),
    tokens((3, 2, 8), (5, 1, 8)),
    batch="none",
    prepare=perturb,
)


class PaddedEncoder(nn.Module):
    def __init__(self, nested):
        super().__init__()
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1, enable_nested_tensor=nested
        )

    def forward(self, x, padding):
        return self.encoder(x, src_key_padding_mask=padding)


PADDED = lambda: [
    (r(2, 4, 8), torch.tensor([[False, False, True, True], [False] * 4])),
    (r(3, 2, 8), torch.tensor([[False, True], [False, False], [False, True]])),
]
family.add("encoder_padded", lambda: PaddedEncoder(False), PADDED, how="both", batch="dynamic", prepare=perturb)
family.add("encoder_padded_grad", lambda: PaddedEncoder(False), PADDED, grad=True, batch="dynamic", prepare=perturb)
family.add(
    "encoder_nested",
    lambda: PaddedEncoder(True),
    PADDED,
    batch="dynamic",
    prepare=perturb,
    note="padding goes through nested tensors and comes back as zeros",
)


@family(
    "encoder_causal",
    lambda: [
        (r(2, 4, 8), nn.Transformer.generate_square_subsequent_mask(4)),
        (r(1, 3, 8), nn.Transformer.generate_square_subsequent_mask(3)),
    ],
    batch="none",
    prepare=perturb,
)
class EncoderCausal(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1, enable_nested_tensor=False
        )

    def forward(self, x, mask):
        return self.encoder(x, mask=mask)


@family("transformer", lambda: [(r(2, 4, 8), r(2, 3, 8)), (r(1, 2, 8), r(1, 5, 8))], batch="dynamic", prepare=perturb)
class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Transformer(8, 2, 1, 1, 12, batch_first=True)

    def forward(self, source, target):
        mask = torch.triu(torch.full((target.size(1), target.size(1)), float("-inf")), diagonal=1)
        return self.net(source, target, tgt_mask=mask)


@family(
    "decoder",
    lambda: [(r(2, 3, 8), r(2, 4, 8)), (r(1, 5, 8), r(1, 2, 8))],
    how="both",
    batch="dynamic",
    prepare=perturb,
)
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, batch_first=True), 1)

    def forward(self, target, memory):
        return self.net(target, memory)
