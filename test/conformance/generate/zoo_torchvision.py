"""torchvision's classification and segmentation models."""

import torch

from generate.zoo_model import ZooModel, images

FIRST = """
resnet18 resnet50 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 alexnet squeezenet1_0
squeezenet1_1 densenet121 googlenet inception_v3 shufflenet_v2_x1_0 mnasnet1_0 regnet_y_400mf regnet_x_400mf
convnext_tiny swin_t swin_v2_t vit_b_16 lraspp_mobilenet_v3_large deeplabv3_mobilenet_v3_large fcn_resnet50
deeplabv3_resnet50 maxvit_t vgg11 resnext50_32x4d efficientnet_v2_s resnet34 resnet101
""".split()
SIZES = {
    "vit_": 224,
    "swin_": 224,
    "maxvit": 224,
    "inception": 128,
    "alexnet": 96,
    "googlenet": 96,
    "fcn": 96,
    "deeplab": 96,
    "lraspp": 96,
    "vgg": 64,
    "squeeze": 96,
    "efficientnet": 128,
}


def define_missing_operators():
    """The import of torchvision needs declarations of these two operators, even if its C++ library does not load."""
    if not hasattr(define_missing_operators, "library") and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        define_missing_operators.library = library


def models():
    """The most common models first, then the others by size."""
    define_missing_operators()
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models) + torchvision.models.list_models(
        module=torchvision.models.segmentation
    )
    sizes = {name: torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"] for name in names}
    rest = sorted((name for name in sizes if name not in FIRST), key=lambda name: sizes[name])
    for name in [*FIRST, *rest]:
        size = next((pixels for start, pixels in SIZES.items() if name.startswith(start)), 64)
        yield ZooModel(
            f"tv_{name}",
            "torchvision",
            lambda how, name=name: damped(torchvision.models.get_model(name, **options(name))),
            images(size),
            ("trace", "script"),
        )


def damped(model):
    """Damp the residual branches: deep EfficientNets with random weights amplify every rounding error otherwise."""
    with torch.no_grad():
        for part in model.modules():
            if type(part).__name__ in ("MBConv", "FusedMBConv"):
                part.block[-1][1].weight.uniform_(0.1, 0.4)
    return model


def options(name):
    if name.startswith(("googlenet", "inception")):
        return {"weights": None, "init_weights": False}
    return {"weights": None} | ({"weights_backbone": None} if name.startswith(("fcn", "deeplab", "lraspp")) else {})
