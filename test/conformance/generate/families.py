"""python -m generate.families OUT [--only REGEX]: small members of model families with calibrated weights."""

import argparse
import os
import re
import sys
import warnings

import torch

from generate import architectures, huggingface, libraries
from generate.calibrate import calibrate
from generate.case import Family, require_fixed_hashing, write_family

hugging_face, own, vision = Family("families_hf"), Family("families_own"), Family("families_vision")


def add(family, name, make, args, how="trace", calls=((2, 7), (1, 5), (3, 9)), **options):
    """Calls are (batch, length); the first one is traced."""

    def prepare(module):
        calibrate(module, lambda: args(4, 6))

    family.add(
        name,
        make,
        lambda: [args(*call) for call in calls],
        how,
        prepare=prepare,
        reference=True,
        batch="dynamic",
        **options,
    )


EAGER_TOO = ("bert", "gpt2", "llama", "vit", "whisper_encoder")
COMMITTED = (
    "bert",
    "roberta",
    "distilbert",
    "gpt2",
    "llama",
    "qwen2",
    "t5_encoder",
    "vit",
    "clip_text",
    "clip_vision",
    "whisper_encoder",
)
for kind in COMMITTED:
    for attention in ("sdpa", "eager") if kind in EAGER_TOO else ("sdpa",):
        add(
            hugging_face,
            kind if attention == "sdpa" else f"{kind}_eager",
            lambda kind=kind, attention=attention: huggingface.make(kind, "tiny", attention),
            lambda batch, length, kind=kind: huggingface.args(kind, batch, length),
        )
for name, make, args in architectures.MODELS:
    add(own, name, make, args, how="both")
for name, make, size, how in libraries.models():
    add(vision, name, make, lambda batch, _, size=size: (torch.randn(batch, 3, *size),), how, ((1, 0), (2, 0)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    require_fixed_hashing()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    failed = []
    for family in (own, vision, hugging_face):
        failed += write_family(family, os.path.join(options.out, family.name), re.compile(options.only))
    for name, error in failed:
        print(f"FAILED {name}: {type(error).__name__}: {str(error)[-400:]}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
