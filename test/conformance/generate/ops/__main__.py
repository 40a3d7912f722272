"""python -m generate.ops OUT [--only REGEX]: write the operator cases to OUT/<family>/."""

import argparse
import importlib
import os
import pkgutil
import re
import sys
import warnings

import torch

from generate import ops
from generate.case import require_fixed_hashing, write_family


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--only", default="", help="pattern over FAMILY/NAME")
    options = parser.parse_args()
    require_fixed_hashing()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    only, failed = re.compile(options.only), []
    for module in sorted(pkgutil.iter_modules(ops.__path__), key=lambda module: module.name):
        if module.name != "__main__":
            family = importlib.import_module(f"generate.ops.{module.name}").family
            failed += write_family(family, os.path.join(options.out, family.name), only)
    for name, error in failed:
        print(f"FAILED {name}: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
