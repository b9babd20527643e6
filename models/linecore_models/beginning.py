"""Training that begins from a finished model: it keeps its features, and what it knows of the labels that stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from linecore.errors import ConfigError, ModelError
from linecore_models.architecture import channels_inside
from linecore_models.bundle import MANIFEST, Bundle, find_bundle, load_bundle
from linecore_models.keras_file import load_keras
from linecore_models.recipe import IMAGENET, NO_WEIGHTS

OF_LABELS = ("evidence", "logits")
"""The layers whose last axis is that of the labels."""


def finished_model(weights: str) -> Bundle | None:
    """Return the bundle that *weights* names, by a bundled model's name or by its folder; None where it names none.

    Raises:
        ConfigError: the folder holds no model, or one without its Keras file.
    """
    if weights in (IMAGENET, NO_WEIGHTS) or Path(weights).is_file():
        return None
    try:
        bundle = load_bundle(find_bundle(weights, Path()))
        bundle.verified_keras()
    except ModelError as error:
        if (Path(weights) / MANIFEST).is_file():
            raise ConfigError(f"weights is {weights!r}, from which nothing can begin: {error}") from error
        return None
    return bundle


def begin_from(build: Callable[[Mapping[str, int]], keras.Model], labels: Sequence[str], bundle: Bundle) -> keras.Model:
    """Return a network whose outputs are *labels*, with what a finished model has learnt.

    *build* makes it, its blocks as wide as they are told to be. Labels that the finished model did not know keep the
    numbers that it is built with.

    Raises:
        ConfigError: the finished model is wider, narrower or otherwise built.
    """
    taught = load_keras(bundle.verified_keras())
    known = {label: place for place, label in enumerate(bundle.manifest.labels)}
    here = [place for place, label in enumerate(labels) if label in known]
    there = [known[labels[place]] for place in here]
    name = "backbone"
    try:
        network = build(channels_inside(taught))
        for layer in network.layers:
            name = layer.name
            before = layer.get_weights()
            after = taught.get_layer(name).get_weights() if before else []
            if name in OF_LABELS:
                after = [_some(old, new, here, there) for old, new in zip(before, after, strict=True)]
            layer.set_weights(after)
    except (ValueError, AttributeError) as error:  # what Keras and NumPy raise where a layer is absent or another
        raise ConfigError(
            f"weights is {bundle.folder}, a model that is built otherwise: its layer {name!r} does not fit; "
            "leave --alpha out, or if it is, begin from a model of this version of linecore"
        ) from error
    return network


def _some(old: np.ndarray, new: np.ndarray, here: Sequence[int], there: Sequence[int]) -> np.ndarray:
    """Return *old* with some of its last axis from *new*."""
    if old.shape[:-1] != new.shape[:-1]:
        raise ValueError(f"{old.shape} is not {new.shape}")
    joined = old.copy()
    joined[..., here] = new[..., there]
    return joined
