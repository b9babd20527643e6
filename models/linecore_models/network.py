"""The network that a training starts with: new, or a finished model's, pruned where that is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import keras

from linecore.errors import ConfigError
from linecore_models.architecture import build_model
from linecore_models.batches import Batches
from linecore_models.beginning import begin_from, finished_model
from linecore_models.bundle import Bundle
from linecore_models.learner import Learner
from linecore_models.machines import Machines
from linecore_models.pictures import Teaching
from linecore_models.pruning import choose, most, pruned, survey, widths_in
from linecore_models.recipe import GIVEN, Recipe
from linecore_models.representative import representative_frames
from linecore_models.run_folder import Checkpoint


def begun_network(labels: Sequence[str], recipe: Recipe) -> keras.Model:
    """Return a network for *labels* with the weights that the recipe names, whole: nothing is pruned yet.

    Raises:
        ConfigError: the weights cannot be had or do not fit, or their model cannot be pruned as far as is asked.
    """
    keras.utils.set_random_seed(recipe.seed)  # random weights take no seed of their own
    finished = finished_model(recipe.weights)
    if finished is None:
        return _built(len(labels), recipe, recipe.weights, {})
    network = begin_from(partial(_built, len(labels), recipe, GIVEN), labels, finished)
    if recipe.prune:
        _require_prunable(network, labels, finished, recipe.prune)
    return network


def _built(labels: int, recipe: Recipe, weights: str, widths: Mapping[str, int]) -> keras.Model:
    return build_model(
        labels,
        recipe.input_size,
        weights=weights,
        alpha=recipe.alpha,
        channels=recipe.channels,
        dropout=recipe.dropout,
        seed=recipe.seed,
        widths=widths,
    )


def _require_prunable(network: keras.Model, labels: Sequence[str], finished: Bundle, share: float) -> None:
    if new := [label for label in labels if label not in finished.manifest.labels]:
        raise ConfigError(
            f"--prune: the model that --weights names has never seen {new[0]!r}, and what matters for it nobody knows; "
            "train without --prune, and prune what comes of it"
        )
    if share > (limit := most(network)):
        raise ConfigError(
            f"--prune is {share:g}, and no more than {math.floor(100 * limit) / 100:g} can go at once, for each block "
            "keeps a quarter of its channels; give less"
        )


def thinned_network(
    network: keras.Model, teaching: Teaching, recipe: Recipe, machines: Machines, kept: Checkpoint | None
) -> keras.Model:
    """Return *network* with as few channels as the recipe says, or as a killed run's *kept* weights have.

    All machines come to the same channels: what they are chosen by is summed over them.
    """
    build = partial(_built, len(teaching.labels), recipe, GIVEN)
    if kept:
        return build(widths_in(network, kept.weights))
    learner = Learner(network, recipe, teaching.passes, machines)
    frames = representative_frames(teaching.images, recipe.preprocessing, recipe.seed)
    channels = survey(learner, Batches.of(teaching, recipe, network).epoch(0, machines), frames)
    return pruned(network, channels, choose(channels, recipe.prune), build)
