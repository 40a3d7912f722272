"""The small members of common families of timm."""

import torch

from generate.zoo_model import ZooModel, images
from generate.zoo_torchvision import define_missing_operators

NAMES = """
resnet18 vit_tiny_patch16_224 convnext_atto mobilenetv3_small_100 efficientnet_b0 swin_tiny_patch4_window7_224
deit_tiny_patch16_224 regnety_002 tf_efficientnetv2_b0 mixer_s32_224 levit_128s mobilevit_xxs coat_lite_tiny
efficientvit_b0 efficientvit_m0 fastvit_t8 edgenext_xx_small nfnet_l0 densenet121 ghostnet_100 hrnet_w18_small
res2net50_26w_4s maxvit_rmlp_pico_rw_256 cait_xxs24_224 xcit_nano_12_p16_224 poolformer_s12 rexnet_100 mnasnet_100
repvgg_a0 convnextv2_atto convit_tiny pvt_v2_b0 twins_svt_small visformer_tiny crossvit_tiny_240 tnt_s_patch16_224
pit_ti_224 gmlp_s16_224 resmlp_12_224 convmixer_768_32 botnet26t_256 eca_resnext26ts seresnet18 skresnet18 resnest14d
dla34 vovnet39a cspresnet50 dpn48b lcnet_050 hardcorenas_a tinynet_e mobilenetv4_conv_small mobileone_s0
efficientformer_l1 efficientformerv2_s0 repvit_m0_9 starnet_s1 focalnet_tiny_srf davit_tiny gcvit_xxtiny nest_tiny_jx
swinv2_tiny_window8_256 swinv2_cr_tiny_ns_224 sequencer2d_s tiny_vit_5m_224 inception_next_atto caformer_s18
mvitv2_tiny hiera_tiny_224 eva02_tiny_patch14_224 vit_relpos_small_patch16_224 vit_small_patch14_dinov2 flexivit_small
coatnet_nano_rw_224 lambda_resnet26t halonet26t xception41 inception_v4 selecsls42b tresnet_m gernet_s
ese_vovnet19b_dw semnasnet_075 fbnetc_100 spnasnet_100 mixnet_s bat_resnext26ts
""".split()
MOST_SCRIPTED_PARAMETERS = 16e6
FIXED_SIZES = {"flexivit": 240, "256": 256, "240": 240, "dinov2": 224, "swinv2_tiny_window8": 256}
SMALL_SIZE = (
    "resnet",
    "convnext",
    "mobilenet",
    "efficientnet_",
    "tf_eff",
    "regnet",
    "densenet",
    "ghostnet",
    "hrnet",
    "res2net",
    "repvgg",
    "dla",
    "rexnet",
    "mnasnet",
    "xception",
)


def models():
    define_missing_operators()
    import timm

    known = set(timm.list_models())
    for name in NAMES:
        if name not in known:
            continue

        def make(how, name=name):
            extra = {"img_size": 224} if "dinov2" in name else {}
            return timm.create_model(name, pretrained=False, scriptable=how == "script", exportable=True, **extra)

        with torch.device("meta"):
            try:
                parameters = sum(parameter.numel() for parameter in make("trace").parameters())
            except Exception:  # some constructors read values; treat those as large
                parameters = MOST_SCRIPTED_PARAMETERS
        ways = ("trace", "script") if parameters < MOST_SCRIPTED_PARAMETERS else ("trace",)
        size = next(
            (pixels for word, pixels in FIXED_SIZES.items() if word in name), 96 if name.startswith(SMALL_SIZE) else 224
        )
        yield ZooModel(f"timm_{name}", "timm", make, images(size), ways)
