"""Random weights under which a model's outputs depend on its inputs.

The outputs of new models often do not: heads and layer scales start at zero, and deep stacks without fitted statistics lose
or explode the signal. `calibrate` gives constant parameters random values, scales every linear and convolutional layer so that
its output has unit deviation on random inputs, and fits batch statistics. Then it checks that the outputs of two inputs differ.
"""

import torch
import torch.nn as nn

from generate.tensors import copy_value, flatten

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LEAST_DIFFERENCE = 1e-2


def randomise_constants(module):
    """Give parameters that start constant (zeros, ones, tiny layer scales) values that change the outputs."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if not parameter.is_floating_point() or parameter.numel() == 0:
                continue
            if bool((parameter == parameter.flatten()[0]).all()):
                if parameter.dim() > 1 and parameter.numel() > 1 and float(parameter.abs().max()) == 0:
                    parameter.normal_(0, 0.02 if parameter.dim() > 2 else 0.05)
                elif float(parameter.abs().max()) == 0:
                    parameter.uniform_(-0.1, 0.1)
                else:
                    parameter.copy_(torch.empty_like(parameter).uniform_(0.5, 1.0))


def calibrate(module, make_args, passes=3):
    """Fit the module's weights and statistics in place. `make_args` returns one random argument tuple."""
    randomise_constants(module)
    module.eval()
    norms = [part for part in module.modules() if isinstance(part, BATCH_NORMS) and part.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None
    scaled, tied = set(), {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}

    def scale(part, _, output):
        if id(part.weight) in scaled or id(part.weight) in tied or not isinstance(output, torch.Tensor):
            return None
        scaled.add(id(part.weight))
        rows = (output if isinstance(part, nn.Linear) else output.movedim(1, -1)).float().flatten(0, -2)
        deviation = rows.std(0).mean()  # about each channel's mean: what is common to all inputs does not count
        if not bool(deviation > 1e-8):
            return None
        part.weight.data.div_(deviation)
        if part.bias is None:
            return output / deviation
        bias = part.bias if isinstance(part, nn.Linear) else part.bias.view(-1, *[1] * (output.dim() - 2))
        return (output - bias) / deviation + bias

    hooks = [part.register_forward_hook(scale) for part in module.modules() if isinstance(part, WEIGHTED)]
    with torch.no_grad():
        module(*make_args())
        for hook in hooks:
            hook.remove()
        for norm in norms:
            norm.reset_running_stats()
        for _ in range(passes):
            module(*make_args())
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    module.eval()
    assert_depends(module, make_args)


def assert_depends(module, make_args):
    """Raise ValueError unless the first floating output of two random inputs differs by more than a hundredth."""
    with torch.no_grad():
        first, second = (
            next(t for t in flatten(module(*copy_value(make_args()))) if t.is_floating_point()) for _ in range(2)
        )
    spread = float((first - second).abs().max() / first.abs().max())
    if not spread > LEAST_DIFFERENCE:
        raise ValueError(f"outputs hardly depend on inputs: relative difference {spread:.2e}")
