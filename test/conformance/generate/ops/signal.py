"""Spectra and other sound features."""

import torch
import torch.nn as nn

from generate.case import Family

family = Family("signal")
r = torch.randn


@family("stft", lambda: [(r(1, 64),), (r(2, 96),)], how="both", note="complex inside, magnitudes out")
class Stft(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(16))
        self.register_buffer("mel", torch.rand(9, 4))

    def forward(self, x):
        spectrum = torch.stft(x, 16, 8, window=self.window, center=True, return_complex=True)
        magnitude = spectrum.abs()
        return magnitude, torch.log(magnitude.transpose(1, 2) @ self.mel + 1e-3), torch.view_as_real(spectrum)


@family(
    "convolved_spectrum",
    lambda: [(r(1, 64),), (r(2, 96),)],
    how="both",
    note="a Fourier basis as convolution weights, as exported detectors do",
)
class ConvolvedSpectrum(nn.Module):
    def __init__(self):
        super().__init__()
        angle = torch.outer(torch.arange(9.0), torch.arange(16.0)) * (2 * torch.pi / 16)
        self.register_buffer("basis", torch.cat([angle.cos(), -angle.sin()])[:, None] * torch.hann_window(16))

    def forward(self, x):
        y = nn.functional.pad(x[:, None], (8, 8), mode="reflect")
        y = nn.functional.conv1d(y, self.basis, stride=8)
        return torch.sqrt(y[:, :9] ** 2 + y[:, 9:] ** 2)


@family("fourier", lambda: [(r(2, 8),), (r(1, 12),)], note="real Fourier transforms and back")
class Fourier(nn.Module):
    def forward(self, x):
        y = torch.fft.rfft(x)
        return y.real, y.imag, y.abs(), torch.fft.irfft(y, n=x.size(1))


@family("windows", lambda: [(r(2, 8),)], how="both")
class Windows(nn.Module):
    def forward(self, x):
        return x * torch.hann_window(8), torch.hamming_window(6), x[:, 1:] - 0.97 * x[:, :-1]
