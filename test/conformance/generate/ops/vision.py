"""Resampling, padding, grids and rearrangement of images."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from generate.case import Family

family = Family("vision")
r = torch.randn


def normal(*shapes):
    return lambda: [(torch.randn(*shape),) for shape in shapes]


IMAGES = normal((1, 2, 4, 5), (2, 2, 6, 3))


@family("nearest", IMAGES, how="both")
class Nearest(nn.Module):
    def forward(self, x):
        return (
            F.interpolate(x, scale_factor=2.0),
            F.interpolate(x, size=(7, 6)),
            F.interpolate(x, scale_factor=0.5),
            F.interpolate(x, size=(7, 6), mode="nearest-exact"),
            F.interpolate(x, scale_factor=(1.7, 2.3)),
        )


@family("bilinear", IMAGES, how="both")
class Bilinear(nn.Module):
    def forward(self, x):
        return (
            F.interpolate(x, scale_factor=2.0, mode="bilinear"),
            F.interpolate(x, size=(7, 6), mode="bilinear", align_corners=True),
            F.interpolate(x, size=(3, 2), mode="bilinear"),
            F.interpolate(x, scale_factor=1.7, mode="bilinear"),
            F.interpolate(x, size=(1, 1), mode="bilinear"),
        )


@family("bicubic", IMAGES, how="both")
class Bicubic(nn.Module):
    def forward(self, x):
        return (
            F.interpolate(x, scale_factor=2.0, mode="bicubic"),
            F.interpolate(x, size=(7, 6), mode="bicubic", align_corners=True),
            F.interpolate(x, size=(3, 2), mode="bicubic"),
            F.interpolate(x, scale_factor=(1.5, 0.8), mode="bicubic"),
        )


@family("antialias", normal((1, 2, 9, 10), (2, 2, 8, 7)), how="both")
class Antialias(nn.Module):
    def forward(self, x):
        return F.interpolate(x, size=(4, 3), mode="bilinear", antialias=True), F.interpolate(
            x, size=(4, 3), mode="bicubic", antialias=True
        )


@family("one_and_three_axes", lambda: [(r(1, 2, 5), r(1, 1, 3, 4, 2)), (r(2, 2, 7), r(2, 1, 2, 3, 4))], how="both")
class OneAndThreeAxes(nn.Module):
    def forward(self, x, y):
        return (
            F.interpolate(x, scale_factor=2.0),
            F.interpolate(x, size=9, mode="linear"),
            F.interpolate(x, size=4, mode="linear", align_corners=True),
            F.interpolate(y, scale_factor=2.0),
            F.interpolate(y, size=(4, 5, 3), mode="trilinear"),
            F.interpolate(y, size=(4, 5, 3), mode="trilinear", align_corners=True),
        )


@family("rescaled_scale", IMAGES, how="both", note="recompute_scale_factor turns the scale into a size")
class RescaledScale(nn.Module):
    def forward(self, x):
        return F.interpolate(x, scale_factor=1.6, mode="bilinear", recompute_scale_factor=True), F.interpolate(
            x, scale_factor=1.6, recompute_scale_factor=True
        )


@family("upsample_modules", IMAGES, how="both")
class UpsampleModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (
            nn.Upsample(scale_factor=2),
            nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True),
            nn.UpsamplingBilinear2d(scale_factor=2),
        )

    def forward(self, x):
        return self.a(x), self.b(x), self.c(x)


@family(
    "size_of_another",
    lambda: [(r(1, 2, 4, 5), r(1, 1, 7, 9)), (r(2, 2, 3, 3), r(2, 1, 6, 5))],
    how="both",
    note="the output size is another input's",
)
class SizeOfAnother(nn.Module):
    def forward(self, x, y):
        up = F.interpolate(x, size=y.shape[-2:], mode="bilinear", align_corners=False)
        return up + y, F.interpolate(x, size=(x.size(2) * 2, x.size(3) + 1))


@family("constant_pads", lambda: [(r(1, 2, 4, 5),), (r(2, 2, 3, 6),)], how="both")
class ConstantPads(nn.Module):
    def forward(self, x):
        return (
            F.pad(x, (1, 2)),
            F.pad(x, (1, 2, 0, 3), value=0.5),
            F.pad(x, (-1, 2, 1, -1)),
            F.pad(x, (0, 0, 0, 0, 1, 1), value=-1.0),
            nn.functional.pad(x.long(), (1, 0), value=7.0),
        )


@family("edge_pads", lambda: [(r(1, 2, 4, 5), r(1, 2, 6)), (r(2, 2, 3, 6), r(2, 2, 4))], how="both")
class EdgePads(nn.Module):
    def forward(self, x, y):
        return (
            F.pad(x, (1, 2, 2, 1), mode="reflect"),
            F.pad(x, (1, 2, 2, 1), mode="replicate"),
            F.pad(x, (1, 2, 2, 1), mode="circular"),
            F.pad(y, (2, 1), mode="reflect"),
            F.pad(y, (2, 3), mode="replicate"),
            F.pad(y, (1, 2), mode="circular"),
        )


@family("pad_modules", lambda: [(r(1, 2, 4, 5), r(1, 2, 6)), (r(2, 2, 3, 6), r(2, 2, 4))], how="both")
class PadModules(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.ReflectionPad2d(1), nn.ZeroPad2d((1, 0, 2, 1)), nn.ReplicationPad2d((0, 1, 2, 0))
        self.d, self.e = nn.ConstantPad1d(2, 0.5), nn.ReflectionPad1d((1, 2))

    def forward(self, x, y):
        return self.a(x), self.b(x), self.c(x), self.d(y), self.e(y)


@family("pad_3d", normal((1, 1, 3, 4, 3), (2, 1, 4, 3, 3)))
class Pad3d(nn.Module):
    def forward(self, x):
        return (
            F.pad(x, (1, 1, 2, 0, 1, 2)),
            F.pad(x, (1, 1, 0, 1, 1, 0), mode="replicate"),
            F.pad(x, (1, 1, 2, 0, 1, 2), mode="reflect"),
        )


@family("pixel_shuffles", normal((1, 8, 4, 6), (2, 8, 2, 4)), how="both")
class PixelShuffles(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.PixelShuffle(2), nn.PixelUnshuffle(2)

    def forward(self, x):
        return self.up(x), self.down(x), F.channel_shuffle(x, 4)


@family(
    "grid_sample",
    lambda: [(r(1, 2, 4, 5), torch.rand(1, 3, 3, 2) * 2.6 - 1.3), (r(2, 2, 5, 3), torch.rand(2, 2, 4, 2) * 2.6 - 1.3)],
    how="both",
)
class GridSample(nn.Module):
    def forward(self, x, grid):
        return (
            F.grid_sample(x, grid, align_corners=False),
            F.grid_sample(x, grid, align_corners=True),
            F.grid_sample(x, grid, padding_mode="border", align_corners=False),
            F.grid_sample(x, grid, padding_mode="reflection", align_corners=True),
            F.grid_sample(x, grid, mode="nearest", align_corners=True),
            F.grid_sample(x, grid, mode="bicubic", align_corners=False),
            F.grid_sample(x, grid, mode="nearest", padding_mode="border", align_corners=False),
        )


@family("affine_grid", lambda: [(r(1, 2, 4, 5), r(1, 2, 3) * 0.5), (r(2, 2, 4, 3), r(2, 2, 3) * 0.5)], how="both")
class AffineGrid(nn.Module):
    def forward(self, x, theta):
        grid = F.affine_grid(theta, [x.size(0), x.size(1), 4, 5], align_corners=False)
        return grid, F.grid_sample(x, grid, align_corners=False), F.affine_grid(theta, x.size(), align_corners=True)


@family("unfold_fold", normal((1, 2, 6, 6), (2, 2, 6, 6)), how="both")
class UnfoldFold(nn.Module):
    def forward(self, x):
        columns = F.unfold(x, 3, padding=1, stride=2)
        return columns, F.unfold(x, (2, 3)), F.fold(columns, (6, 6), 3, padding=1, stride=2), F.unfold(x, 2, dilation=2)


@family("patches", normal((1, 3, 8, 8), (2, 3, 8, 12)), how="both")
class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 4, 4)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tiles = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5)
        return tokens, tiles.reshape(x.size(0), -1, 48)


@family(
    "normalised_image",
    lambda: [
        (torch.randint(0, 256, (1, 4, 5, 3), dtype=torch.uint8),),
        (torch.randint(0, 256, (2, 3, 3, 3), dtype=torch.uint8),),
    ],
    how="both",
    note="bytes in, normalised floats out",
)
class NormalisedImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, x):
        y = x.permute(0, 3, 1, 2).float() / 255
        z = (y - self.mean) / self.std
        return (
            z,
            (z * 64 + 128).clamp(0, 255).to(torch.uint8),
            x.flip(-1),
            F.interpolate(y, size=(4, 4), mode="bilinear"),
        )
