"""Complex numbers inside of a model: real tensors go in and come out."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("complex")
r = torch.randn


def real(z):
    return torch.view_as_real(z)


@family("arithmetic", lambda: [(r(2, 3, 2), r(2, 3, 2)), (r(4, 3, 2), r(1, 3, 2))], how="both")
class Arithmetic(nn.Module):
    def forward(self, x, y):
        a, b = torch.view_as_complex(x), torch.view_as_complex(y)
        return real(a + b), real(a - 2 * b), real(a * b), real(a / b), real(-a + 1.5)


@family("mixed", lambda: [(r(2, 3, 2), r(2, 3)), (r(4, 3, 2), r(1, 3))], how="both")
class Mixed(nn.Module):
    def forward(self, x, y):
        a = torch.view_as_complex(x)
        return real(a * y), real(y + a), real(a / (y.abs() + 1)), real(y / (a + 3)), real(a.to(torch.complex128))


@family("functions", lambda: [(r(3, 4, 2),), (r(5, 2, 2),)], how="both")
class Functions(nn.Module):
    def forward(self, x):
        z = torch.view_as_complex(x)
        return real(torch.exp(z)), real(torch.log(z)), z.abs(), z.angle(), real(z.conj() * 1.0), real(z * z)


@family("shapes", lambda: [(r(3, 4, 2),), (r(2, 4, 2),)], how="both")
class Shapes(nn.Module):
    def forward(self, x):
        z = torch.view_as_complex(x)
        turned, flat = z.transpose(0, 1), z.reshape(-1)
        return (
            real(turned.contiguous()),
            real(flat[1:5]),
            real(torch.cat([z, z.conj() * 1.0], 1)),
            real(torch.stack([z, z])),
            real(z.sum(1)),
            real(z[:, -1].unsqueeze(-1)),
        )


@family("products", lambda: [(r(3, 4, 2), r(4, 5, 2), r(3, 4)), (r(2, 4, 2), r(4, 1, 2), r(2, 4))], how="both")
class Products(nn.Module):
    def forward(self, x, y, w):
        a, b = torch.view_as_complex(x), torch.view_as_complex(y)
        return real(a @ b), real(torch.einsum("ij,jk->ik", a, b)), real(torch.matmul(a.t(), a)), (a * w).real, (a * w).imag


@family("polar", lambda: [(r(3, 4).abs(), r(3, 4)), (r(2, 5).abs(), r(2, 5))], how="both")
class Polar(nn.Module):
    def forward(self, length, angle):
        z = torch.polar(length, angle)
        return real(z), z.abs(), z.angle()


@family("rotary", lambda: [(r(2, 6, 3, 8),), (r(1, 4, 3, 8),)], how="both")
class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        steps = torch.outer(torch.arange(16).float(), 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8))
        self.register_buffer("turns", torch.polar(torch.ones_like(steps), steps))

    def forward(self, x):
        z = torch.view_as_complex(x.float().reshape(x.size(0), x.size(1), x.size(2), -1, 2))
        turns = self.turns[: x.size(1)].view(1, x.size(1), 1, z.size(-1))
        return torch.view_as_real(z * turns).flatten(3).type_as(x)


@family("angles", lambda: [(torch.tensor([-1.0, -1.0, 1.0, -2.0, 0.0, 3.0, 0.0]), torch.tensor([1e-3, -1e-4, -1e-5, 0.0, 0.0, 2.0, -1.0]))] * 2)
class Angles(nn.Module):
    def forward(self, x, y):
        return torch.complex(x, y).angle(), x.angle()


@family("long_convolution", lambda: [(r(2, 3, 16),), (r(1, 3, 9),)], how="both")
class LongConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.randn(3, 16))

    def forward(self, x):
        size = x.size(-1)
        spectrum = torch.fft.rfft(x, n=2 * size) * torch.fft.rfft(self.k, n=2 * size)
        return torch.fft.irfft(spectrum, n=2 * size)[..., :size]


@family("spectral_layer", lambda: [(r(2, 3, 16),), (r(1, 3, 12),)], how="both", note="the layer of a Fourier neural operator")
class SpectralLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, 5, dtype=torch.cfloat))

    def forward(self, x):
        spectrum = torch.fft.rfft(x)
        out = torch.zeros(x.size(0), 4, x.size(-1) // 2 + 1, dtype=torch.cfloat)
        out[:, :, :5] = torch.einsum("bix,iox->box", spectrum[:, :, :5], self.weight)
        return torch.fft.irfft(out, n=x.size(-1))


@family("spectral_layer_2d", lambda: [(r(2, 2, 8, 10),), (r(1, 2, 12, 8),)], how="both")
class SpectralLayer2d(nn.Module):
    def __init__(self):
        super().__init__()
        self.low = nn.Parameter(torch.randn(2, 3, 3, 3, dtype=torch.cfloat))
        self.high = nn.Parameter(torch.randn(2, 3, 3, 3, dtype=torch.cfloat))

    def forward(self, x):
        spectrum = torch.fft.rfft2(x)
        out = torch.zeros(x.size(0), 3, x.size(-2), x.size(-1) // 2 + 1, dtype=torch.cfloat)
        out[:, :, :3, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :3, :3], self.low)
        out[:, :, -3:, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -3:, :3], self.high)
        return torch.fft.irfft2(out, s=(x.size(-2), x.size(-1)))


@family("fft_axes", lambda: [(r(2, 4, 6),), (r(3, 5, 4),)], how="both")
class FftAxes(nn.Module):
    def forward(self, x):
        z = torch.fft.fftn(x)
        return (
            real(z),
            torch.fft.ifftn(z).real,
            real(torch.fft.fft2(x, norm="ortho")),
            torch.fft.ifft2(torch.fft.fft2(x)).real,
            real(torch.fft.rfftn(x, dim=(1, 2))),
            torch.fft.irfftn(torch.fft.rfftn(x, dim=(0, 1)), s=(x.size(0), x.size(1)), dim=(0, 1)),
        )


@family("weight", lambda: [(r(2, 3),), (r(5, 3),)], how="both")
class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.randn(3, dtype=torch.complex64))
        self.register_buffer("d", torch.randn(2, 3, dtype=torch.complex128).t())

    def forward(self, x):
        return (x * self.w).abs(), real(x.double().to(torch.complex128) @ self.d), real(torch.where(x > 0, x * self.w, self.w))


class Denoiser(nn.Module):
    def __init__(self, size=16, hop=4, extent=16, normalized=False, onesided=True, center=True):
        super().__init__()
        self.size, self.hop, self.extent = size, hop, extent
        self.normalized, self.onesided, self.center = normalized, onesided, center
        bins = size // 2 + 1 if onesided else size
        self.mask = nn.Conv1d(bins, bins, 3, padding=1)
        self.register_buffer("window", torch.hann_window(extent) + 0.1)

    def forward(self, x):
        z = torch.stft(x, self.size, self.hop, self.extent, self.window, self.center, "reflect", self.normalized, self.onesided, return_complex=True)
        z = z * torch.sigmoid(self.mask(z.abs()))
        return torch.istft(z, self.size, self.hop, self.extent, self.window, self.center, self.normalized, self.onesided, x.size(-1))


def speech():
    return [(r(2, 64),), (r(1, 81),)]
family("istft", speech, how="both")(Denoiser)
family("istft_normalized", speech, how="both", args=(16, 8, 16, True))(Denoiser)
family("istft_short_window", speech, how="both", args=(16, 5, 12))(Denoiser)
family("istft_two_sided", speech, how="both", args=(16, 4, 16, False, False))(Denoiser)
family("istft_not_centred", lambda: [(r(2, 64),), (r(1, 80),)], how="both", args=(16, 4, 16, False, True, False))(Denoiser)
