"""Hugging Face transformers at a usual width and reduced depth, with both attention implementations."""

from generate import huggingface
from generate.zoo_model import ZooModel
from generate.zoo_torchvision import define_missing_operators


def models():
    define_missing_operators()  # transformers imports torchvision
    for kind in huggingface.KINDS:
        for attention in ("sdpa",) if kind in huggingface.ONE_ATTENTION else ("sdpa", "eager"):
            name = f"hf_{kind}" if attention == "sdpa" else f"hf_{kind}_eager"
            yield ZooModel(
                name,
                "hf",
                lambda how, kind=kind, attention=attention: huggingface.make(kind, "full", attention),
                lambda batch, kind=kind: huggingface.args(kind, batch, 5 + 2 * batch),
                ("trace",),
            )
