"""The 3D U-Net in torch, for learning and for GPUs.

Encoder and decoder of 3×3×3 convolutions, each followed by instance normalisation and leaky ReLU, with
strided convolutions on the way down, transposed ones on the way up and skip connections between
(Çiçek et al., MICCAI 2016; the normalisation and strides are those of Isensee et al., Nat Methods 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dawson.recipe import EPSILON, SLOPE, Network


class InstanceNorm(nn.Module):
    """Instance normalisation with learned scale and offset.

    An image by itself, normalised by its own statistics, is batch normalisation of a batch of one, which torch
    runs on a CPU without leaving channels-last order: less than half the time of its instance
    normalisation, which copies forth and back.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, i, j, k)."""
        if x.is_cuda:
            return functional.instance_norm(x, None, None, self.weight, self.bias, eps=EPSILON)
        each = [
            functional.batch_norm(one, None, None, self.weight, self.bias, training=True, eps=EPSILON)
            for one in x.split(1)
        ]
        return each[0] if len(each) == 1 else torch.cat(each)


class Unit(nn.Module):
    """Convolution, normalisation, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = InstanceNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, i, j, k) → (batch, outputs, i/stride, …)."""
        return functional.leaky_relu(self.norm(self.convolution(x)), SLOPE, inplace=True)


class UNet(nn.Module):
    """U-Net with one level an entry of ``network.widths``.

    Input (batch, channels, i, j, k), sides multiples of 2**(levels − 1); output (batch, 1 + anatomy classes,
    i, j, k): the lesion's logit, then the logits of the anatomy, if any.
    """

    def __init__(self, network: Network, *, channels: int, anatomy_classes: int) -> None:
        super().__init__()
        widths, counts = network.widths, network.convolutions
        self.down = nn.ModuleList()
        inputs = channels
        for level, (width, count) in enumerate(zip(widths, counts, strict=True)):
            units = [Unit(inputs, width, 1 if level == 0 else 2)]
            units += [Unit(width, width) for _ in range(count - 1)]
            self.down.append(nn.ModuleList(units))
            inputs = width
        self.up = nn.ModuleList()
        self.merge = nn.ModuleList()
        for level in range(len(widths) - 2, -1, -1):
            width = widths[level]
            self.up.append(nn.ConvTranspose3d(widths[level + 1], width, 2, 2, bias=False))
            units = [Unit(2 * width, width)] + [Unit(width, width) for _ in range(counts[level] - 1)]
            self.merge.append(nn.ModuleList(units))
        self.head = nn.Conv3d(widths[0], 1 + anatomy_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, a=SLOPE)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias[0] = -4.0  # type: ignore[index]  # lesions are rare: start from that

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 1 + anatomy classes, i, j, k)."""
        skips = []
        for units in self.down:
            for unit in units:  # type: ignore[attr-defined]
                x = unit(x)
            skips.append(x)
        for up, units, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            x = torch.cat([up(x), skip], 1)
            for unit in units:  # type: ignore[attr-defined]
                x = unit(x)
        logits: Tensor = self.head(x)
        return logits
