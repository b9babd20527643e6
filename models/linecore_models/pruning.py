"""Takes channels out of a finished network so that a frame costs less: those that matter least for what they cost.

A block of MobileNetV2 expands its features to many channels, filters each by itself and projects them to few again
(Sandler et al. 2018, https://arxiv.org/abs/1801.04381). Nothing outside the block sees such a channel, so that it can
go by itself. What it handed on on average stays, in the batch norm behind it. How much it matters is the squared
change of the loss, to first order, if it handed on that average alone (after Molchanov et al. 2019,
https://arxiv.org/abs/1906.10771, who take it for zero). The network has to learn again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from linecore.inspection import FloatArray, Image
from linecore_models.architecture import TAPS, channels_inside
from linecore_models.learner import Learner

STEP = 16
"""Channels go together in so many: in int8 a processor takes them by sixteens, and part of one takes as long."""

LEAST = 0.25
"""Of a block's channels stay at least. What the first order says of a channel holds while the others are there."""

WRITTEN = 30
"""Multiply-adds that take as long as writing one value, in int8 with XNNPACK: fitted to the times of the first blocks
and of the last. By multiply-adds alone the first blocks, whose maps are large, would look cheaper than they are."""

Kept = npt.NDArray[np.intp]


class Block(NamedTuple):
    """The layers of a backbone that a channel inside a block passes, by name."""

    expand: str
    expand_norm: str
    depthwise: str
    depthwise_norm: str
    depthwise_relu: str
    project: str
    project_norm: str

    @classmethod
    def numbered(cls, number: int) -> Block:
        """Return the block that Keras calls so."""
        parts = ("expand", "expand_BN", "depthwise", "depthwise_BN", "depthwise_relu", "project", "project_BN")
        return cls(*(f"block_{number}_{part}" for part in parts))


STEM = Block(
    "Conv1",
    "bn_Conv1",
    "expanded_conv_depthwise",
    "expanded_conv_depthwise_BN",
    "expanded_conv_depthwise_relu",
    "expanded_conv_project",
    "expanded_conv_project_BN",
)
"""The first block expands nothing: what takes that place is the convolution that sees the picture."""

BLOCKS = (STEM, *(block for block in map(Block.numbered, range(1, 17)) if f"{block.expand}_relu" not in TAPS))
"""All but those whose channels are seen outside, being fused."""


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """What is known of the channels inside a block."""

    importance: FloatArray  # of each: squared change of the loss, to first order, summed over batches
    mean: FloatArray  # of each: what it hands on, over pictures and places
    cost: float  # of one, in multiply-adds

    def weakest_first(self) -> Kept:
        """Return the channels' numbers by importance."""
        return np.argsort(self.importance, kind="stable")


def survey(learner: Learner, batches: Iterable[Sequence[tf.Tensor]], squares: Image) -> dict[Block, Channels]:
    """Measure the channels inside the blocks of the learner's network.

    *batches* are what it would learn from; *squares* (uint8, N x size x size) are frames to take the means over.
    """
    backbone = learner.model.get_layer("backbone")
    kernels = [backbone.get_layer(block.project).kernel for block in BLOCKS]
    shifts = [backbone.get_layer(block.project_norm).moving_mean for block in BLOCKS]
    means = _means(learner.model, squares)
    importance = [np.zeros(mean.shape, np.float64) for mean in means]
    slopes = learner.slopes_of([*kernels, *shifts])
    for batch in batches:
        told = slopes(batch)
        of_kernels, of_shifts = told[: len(kernels)], told[len(kernels) :]
        for total, kernel, mean, slope, of_shift in zip(importance, kernels, means, of_kernels, of_shifts, strict=True):
            # A channel fades with its part of the next kernel, and the statistics behind that take its mean over.
            change = kernel.numpy()[0, 0] * (slope[0, 0] + np.outer(mean, of_shift))
            total += change.sum(axis=1, dtype=np.float64) ** 2
    return {
        block: Channels(total.astype(np.float32), mean, _cost(backbone, block))
        for block, total, mean in zip(BLOCKS, importance, means, strict=True)
    }


def most(network: keras.Model) -> float:
    """Return which share (0..1) of the cost of the channels inside the blocks can go at most."""
    backbone = network.get_layer("backbone")
    costs = [(_cost(backbone, block), backbone.get_layer(block.expand).filters) for block in BLOCKS]
    return sum(cost * _spare(count) for cost, count in costs) / sum(cost * int(count) for cost, count in costs)


def _spare(count: int) -> int:
    """Return how many of a block's channels can go at most."""
    return int(count * (1 - LEAST)) // STEP * STEP


def choose(channels: Mapping[Block, Channels], share: float) -> dict[Block, Kept]:
    """Return the numbers of the channels that stay, rising, when *share* (0..1) of what all of them cost is to go.

    No more goes than :func:`most` says.
    """
    steps = []
    for block, known in channels.items():
        order = known.weakest_first()
        for start in range(0, _spare(len(order)), STEP):
            group = order[start : start + STEP]
            steps.append((float(known.importance[group].sum()) / known.cost, block, start + STEP))
    to_go = share * sum(len(known.importance) * known.cost for known in channels.values())
    gone = dict.fromkeys(channels, 0)
    for _, block, end in sorted(steps, key=lambda step: (step[0], step[2])):
        if to_go <= 0:
            break
        gone[block] = end
        to_go -= STEP * channels[block].cost
    return {block: np.sort(known.weakest_first()[gone[block] :]) for block, known in channels.items()}


def pruned(
    network: keras.Model,
    channels: Mapping[Block, Channels],
    kept: Mapping[Block, Kept],
    build: Callable[[Mapping[str, int]], keras.Model],
) -> keras.Model:
    """Return *network* with these channels inside its blocks.

    *build* returns a network that is built alike, but for how many channels the named layers expand to.
    """
    narrow = build({block.expand: len(numbers) for block, numbers in kept.items()})
    for layer in narrow.layers:
        if layer.name != "backbone":
            layer.set_weights(network.get_layer(layer.name).get_weights())
    backbone = network.get_layer("backbone")
    weights = {layer.name: layer.get_weights() for layer in backbone.layers}
    for block, numbers in kept.items():
        gone = np.setdiff1d(np.arange(len(channels[block].mean)), numbers)
        (project,) = weights[block.project]
        lost = channels[block].mean[gone] @ project[0, 0, gone]
        scale, shift, mean, variance = weights[block.project_norm]
        weights[block.project_norm] = [scale, shift, mean - lost, variance]
        weights[block.project] = [project[:, :, numbers]]
        weights[block.expand] = [kernel[..., numbers] for kernel in weights[block.expand]]
        weights[block.depthwise] = [kernel[:, :, numbers] for kernel in weights[block.depthwise]]
        for norm in (block.expand_norm, block.depthwise_norm):
            weights[norm] = [vector[numbers] for vector in weights[norm]]
    for layer in narrow.get_layer("backbone").layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    return narrow


def widths_in(network: keras.Model, weights: Sequence[npt.NDArray[np.generic]]) -> dict[str, int]:
    """Return how many channels the blocks have in *weights*, by the names of their convolutions.

    *weights* are those of all variables of a pruned copy of *network*, in their order.
    """
    backbone = network.get_layer("backbone")
    names = {id(backbone.get_layer(name).kernel): name for name in channels_inside(network)}
    pairs = zip(network.variables, weights, strict=True)
    return {names[id(variable)]: array.shape[-1] for variable, array in pairs if id(variable) in names}


def _means(network: keras.Model, squares: Image, batch_size: int = 20) -> list[FloatArray]:
    """Return what each channel hands on, on average, block by block."""
    backbone, scaled = network.get_layer("backbone"), network.get_layer("rescaling")
    inside = keras.Model(backbone.input, [backbone.get_layer(block.depthwise_relu).output for block in BLOCKS])
    totals = [np.zeros(output.shape[-1], np.float64) for output in inside.outputs]
    for start in range(0, len(squares), batch_size):
        frames = squares[start : start + batch_size, ..., np.newaxis].astype(np.float32)
        for total, values in zip(totals, inside(scaled(frames), training=False), strict=True):
            total += values.numpy().mean(axis=(1, 2)).sum(axis=0)
    return [(total / len(squares)).astype(np.float32) for total in totals]


def _cost(backbone: keras.Model, block: Block) -> float:
    """Return what one of a block's channels costs, in multiply-adds and what takes as long."""
    expanded, filtered = (
        float(np.prod(backbone.get_layer(name).output.shape[1:3])) for name in (block.expand, block.depthwise)
    )
    taps = float(np.prod(backbone.get_layer(block.expand).kernel.shape[:3]))  # of one channel's kernel
    around = float(np.prod(backbone.get_layer(block.depthwise).kernel.shape[:2]))
    targets = int(backbone.get_layer(block.project).kernel.shape[3])
    return expanded * (taps + WRITTEN) + filtered * (around + targets + WRITTEN)
