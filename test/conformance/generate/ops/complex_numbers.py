"""Complex numbers: arithmetic, movement of elements, products, Fourier transforms and their inverses."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("complex_numbers")
r = torch.randn


def z(a, b):
    return torch.complex(a, b)


def real(x):
    return torch.view_as_real(x)


@family("arithmetic", lambda: [(r(3, 4), r(3, 4)), (r(5, 4), r(5, 4))], how="both")
class Arithmetic(nn.Module):
    def forward(self, a, b):
        x, y = torch.complex(a, b), torch.complex(b - 0.5, a)
        p = torch.complex(torch.abs(b) + 1, a)
        return (
            torch.view_as_real(x + y * 2 - a),
            torch.view_as_real(x * y),
            torch.view_as_real(x * a + 3),
            torch.view_as_real(-x / p),
            torch.view_as_real(x / 4 + x / p.abs()),
            torch.view_as_real(a / p),
            torch.view_as_real(x.conj() * x),
            torch.view_as_real(torch.exp(x) + x**2),
            torch.view_as_real(torch.add(a, x, alpha=2)),
        )


@family("double", lambda: [(r(3, 4).double(), r(3, 4)), (r(2, 4).double(), r(2, 4))], how="both")
class Double(nn.Module):
    def forward(self, a, b):
        x = torch.complex(a, a * 2)
        return torch.view_as_real(x * b), torch.view_as_real(x + b), x.real, x.imag, (x * x).abs()


@family("polar", lambda: [(r(3, 4).abs(), r(3, 4)), (r(6, 1).abs(), r(6, 1))], how="both")
class Polar(nn.Module):
    def forward(self, size, angle):
        x = torch.polar(size, angle)
        return (
            torch.view_as_real(x),
            torch.view_as_real(x * x.conj()),
            torch.view_as_real(torch.polar(size, angle * 2) / x),
        )


@family("moves", lambda: [(r(2, 3, 4, 2),), (r(5, 3, 4, 2),)], how="both")
class Moves(nn.Module):
    def forward(self, x):
        c = torch.view_as_complex(x)
        left, right = c.chunk(2, -1)
        return (
            torch.view_as_real(c.transpose(1, 2)),
            torch.view_as_real(c.reshape(-1, 12)),
            torch.view_as_real(c.unsqueeze(-1).squeeze(-1)[:, 1:]),
            torch.view_as_real(torch.cat([right, left, right.real], -1)),
            torch.view_as_real(torch.stack([left, right], 1).flatten(2)),
            torch.view_as_real(c.permute(0, 2, 1).flip(-1).contiguous()),
            torch.view_as_real(c[:, 0].unsqueeze(1).expand(-1, 3, -1)),
            torch.view_as_real(c.sum(1) + c.mean(-1, keepdim=True).squeeze(-1).sum(1, keepdim=True)),
            torch.view_as_real(c.index_select(2, torch.tensor([3, 0]))),
            torch.view_as_real(torch.roll(c, 1, -1)),
        )


@family(
    "products",
    lambda: [(r(2, 3, 4, 2), r(2, 4, 5, 2), r(4, 3)), (r(1, 2, 4, 2), r(1, 4, 6, 2), r(4, 2))],
    how="both",
    batch="none",
)
class Products(nn.Module):
    def forward(self, x, y, w):
        a, b = torch.view_as_complex(x), torch.view_as_complex(y)
        return (
            torch.view_as_real(a @ b),
            torch.view_as_real(torch.bmm(a, b)),
            torch.view_as_real(torch.einsum("bij,bjk->bik", a, b)),
            torch.view_as_real(torch.matmul(a, w.to(torch.complex64))),
            torch.view_as_real(torch.einsum("bij,jk->bk", a, w.to(torch.complex64))),
        )


@family(
    "made", lambda: [(r(3, 4), torch.arange(12).reshape(3, 4)), (r(1, 4), torch.arange(4).reshape(1, 4))], how="both"
)
class Made(nn.Module):
    """Complex tensors made from others and from nothing."""

    def forward(self, x, n):
        zeros = torch.zeros(x.size(0), 4, dtype=torch.cfloat)
        return (
            torch.view_as_real(zeros + x),
            torch.view_as_real(torch.ones_like(zeros) * x.to(torch.complex64)),
            torch.view_as_real(n.to(torch.complex128)),
            torch.view_as_real(torch.full((2, 3), 1.5, dtype=torch.cfloat)),
            torch.view_as_real(torch.complex(x, x).to(torch.complex128)),
        )


@family("rotary", lambda: [(r(2, 6, 4, 8),), (r(1, 3, 4, 8),)], how="both", batch="none")
class Rotary(nn.Module):
    """Rotary embeddings as Llama's reference code writes them."""

    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(16.0), 1.0 / 10_000 ** (torch.arange(0, 8, 2)[:4].float() / 8))
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))

    def forward(self, q):
        c = torch.view_as_complex(q.float().reshape(q.size(0), q.size(1), q.size(2), 4, 2))
        turns = self.turns[: q.size(1)].view(1, q.size(1), 1, 4)
        return torch.view_as_real(c * turns).flatten(3).type_as(q)


@family("convolution", lambda: [(r(2, 3, 16),), (r(1, 3, 25),)], how="both", batch="none")
class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(r(3, 8))

    def forward(self, x):
        n = x.size(-1) * 2
        return torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(self.kernel, n=n), n=n)[..., : x.size(-1)]


@family("spectral_layer", lambda: [(r(2, 3, 16),), (r(1, 3, 20),)], how="both", batch="none")
class SpectralLayer(nn.Module):
    """One layer of a Fourier neural operator, with complex weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 4, 5, dtype=torch.cfloat))

    def forward(self, x):
        spectrum = torch.fft.rfft(x)
        kept = torch.einsum("bix,iox->box", spectrum[:, :, :5], self.weight)
        zeros = torch.zeros(x.size(0), 4, spectrum.size(-1) - 5)
        return torch.fft.irfft(torch.cat([kept, torch.complex(zeros, zeros)], -1), n=x.size(-1))


@family("many_axes", lambda: [(r(2, 3, 8, 6),), (r(1, 3, 5, 7),)], how="both", batch="none")
class ManyAxes(nn.Module):
    def forward(self, x):
        whole, half = torch.fft.fft2(x), torch.fft.rfft2(x, norm="ortho")
        return (
            torch.view_as_real(whole),
            torch.view_as_real(torch.fft.ifft2(whole * 2)),
            torch.view_as_real(half),
            torch.fft.irfft2(half, s=(x.size(-2), x.size(-1)), norm="ortho"),
            torch.view_as_real(torch.fft.fftn(x, dim=(1, 3))),
            torch.view_as_real(torch.fft.ifftn(whole, dim=(-1,))),
            torch.fft.irfftn(torch.fft.rfftn(x, dim=(1, 2)), s=(3, x.size(2)), dim=(1, 2)),
            torch.view_as_real(torch.fft.fftshift(whole, dim=(-2, -1))),
            torch.fft.ifftshift(x),
        )


@family("weight", lambda: [(r(2, 3),), (r(4, 3),)], how="both")
class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.randn(4, 3, 2, dtype=torch.complex64)[1:3, :, 1])
        self.register_buffer("d", torch.randn(3, dtype=torch.complex128))

    def forward(self, x):
        return (x * self.w[0]).abs(), torch.view_as_real(x * self.w[1] + self.w.sum(0)), torch.view_as_real(self.d * x)


SIGNALS = lambda: [(r(2, 64),), (r(1, 90),)]


def stft_case(name, **options):
    class Inverse(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("window", torch.hann_window(options.get("win_length", 16)))

        def forward(self, x):
            spectrum = torch.stft(x, 16, 4, window=self.window, return_complex=True, **options)
            mask = torch.sigmoid(spectrum.abs())
            return torch.istft(spectrum * mask, 16, 4, window=self.window, **options)

    family.add(f"istft_{name}", Inverse, SIGNALS, how="trace", batch="none")


stft_case("plain")
stft_case("normalized", normalized=True)
stft_case("short_window", win_length=12)
stft_case("two_sided", onesided=False)


@family("istft_length", SIGNALS, how="both", batch="none")
class IstftLength(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))

    def forward(self, x):
        spectrum = torch.stft(x, 16, 4, window=self.window, return_complex=True)
        turned = spectrum * torch.polar(torch.ones_like(spectrum.abs()), spectrum.abs())
        return torch.istft(turned, 16, 4, window=self.window, length=x.size(-1))


@family("istft_not_centred", lambda: [(r(64),), (r(80),)], how="both", batch="none")
class IstftNotCentred(nn.Module):
    def forward(self, x):
        window = torch.hamming_window(16)
        spectrum = torch.stft(x, 16, 8, window=window, center=False, return_complex=True)
        return torch.istft(spectrum * 0.5, 16, 8, window=window, center=False)
