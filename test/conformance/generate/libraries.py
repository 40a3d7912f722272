"""torchvision's and timm's own classes at widths of a few channels."""

from generate.zoo_torchvision import define_missing_operators


def models():
    """(name, make, image size, how) of each model. The classes and so the code in the archive are the library's."""
    define_missing_operators()
    import timm.models as tm
    import torchvision.models as tv

    def mobilenet_v3():
        rows = [(6, 3, 6, 6, True, "RE", 2, 1), (6, 3, 12, 8, False, "HS", 2, 1), (8, 5, 16, 8, True, "HS", 1, 1)]
        return tv.MobileNetV3([tv.mobilenetv3.InvertedResidualConfig(*row, 1.0) for row in rows], 12, num_classes=5)

    def efficientnet():
        rows = [(1, 3, 1, 8, 8, 1), (4, 3, 2, 8, 8, 2)]
        return tv.EfficientNet(
            [tv.efficientnet.MBConvConfig(*row) for row in rows], 0.1, num_classes=5, last_channel=12
        )

    def swin():
        return tv.SwinTransformer([2, 2], 8, [2, 1], [2, 2], [4, 4], num_classes=5)

    def convnext():
        stages = [tv.convnext.CNBlockConfig(8, 12, 1), tv.convnext.CNBlockConfig(12, None, 1)]
        return tv.ConvNeXt(stages, num_classes=5)

    tiny = {"num_classes": 5}
    vit = {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2, **tiny}
    return [
        ("tv_vit", lambda: tv.VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=5), (16, 16), "both"),
        ("tv_convnext", convnext, (24, 24), "both"),
        ("tv_mobilenet_v3", mobilenet_v3, (24, 24), "both"),
        ("tv_efficientnet", efficientnet, (32, 32), "script"),
        ("tv_densenet", lambda: tv.DenseNet(4, (2, 2), 8, 2, num_classes=5), (32, 32), "trace"),
        ("tv_swin", swin, (24, 16), "trace"),
        ("timm_vit", lambda: tm.VisionTransformer(**vit), (16, 16), "both"),
        (
            "timm_mixer",
            lambda: tm.MlpMixer(img_size=16, patch_size=4, num_blocks=2, embed_dim=8, **tiny),
            (16, 16),
            "both",
        ),
        ("timm_beit", lambda: tm.Beit(**vit), (16, 16), "trace"),
        ("timm_poolformer", lambda: tm.MetaFormer(depths=(1, 1), dims=(8, 12), **tiny), (32, 32), "trace"),
    ]
