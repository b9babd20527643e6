"""From a model's outputs to a Classification: the same for every runtime that a bundle is served with."""

from __future__ import annotations

import numpy as np

from linecore.inspection import Classification, FloatArray, ModelId
from linecore_models.manifest import Manifest


def tempered(scores: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities (..., labels) as if their logits had been divided by *temperature* (Guo et al. 2017)."""
    if temperature == 1:
        return scores
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny)) / temperature
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: FloatArray = (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def classification(
    scores: FloatArray,
    class_maps: FloatArray,
    manifest: Manifest,
    model: ModelId,
    *,
    novelty: float | None = None,
) -> Classification:
    """Return what the model says of one frame, from its *scores* (labels) and *class_maps* (h x w x labels).

    The class maps stay as the model gives them: their mean plus the bias is the logit, before the temperature.
    """
    probabilities = tempered(scores, manifest.temperature)
    best = int(probabilities.argmax())
    return Classification(
        label=manifest.labels[best],
        confidence=float(probabilities[best]),
        scores=dict(zip(manifest.labels, probabilities.tolist(), strict=True)),
        model=model,
        novelty=novelty,
        class_maps={label: class_maps[..., index] for index, label in enumerate(manifest.labels)},
        region_threshold=manifest.region_threshold,
    )
