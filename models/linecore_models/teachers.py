"""Finished models that a network learns from, beside what is known of its pictures (Hinton et al. 2015).

They see the very squares that it sees. Half of each batch are blends of two pictures, of which nobody knows the truth:
what models agree on where they were not taught is what one of them can learn from the others (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from linecore.errors import ConfigError
from linecore_models.bundle import Bundle
from linecore_models.keras_file import load_keras
from linecore_models.lesson import Lesson, Teach, as_told
from linecore_models.loss import EVIDENCE
from linecore_models.manifest import Manifest
from linecore_models.recipe import Recipe

HEARD = 0.5
"""How much teachers count beside the truth of a picture whose truth is known."""


def teaching_by(bundles: Sequence[Bundle], labels: Sequence[str], recipe: Recipe, network: keras.Model) -> Teach:
    """Return what adds finished models to a lesson of *network*; nothing where there are none.

    Raises:
        ConfigError: one of them does not know all of the *labels*, or sees frames in another way than the recipe's.
        ModelError: one has no Keras file, or a damaged one.
    """
    return Teachers(bundles, labels, recipe, network) if bundles else as_told


class Teachers:
    """The mean of what finished models say."""

    def __init__(self, bundles: Sequence[Bundle], labels: Sequence[str], recipe: Recipe, network: keras.Model) -> None:
        """Take the finished models, one at least, for a network of *labels*; raises what `teaching_by` does."""
        self._side = int(network.output["class_maps"].shape[1])
        for bundle in bundles:
            _require_alike(bundle, labels, recipe)
        self._all = [_Teacher(bundle, labels) for bundle in bundles]

    def __call__(self, lesson: Lesson) -> Lesson:
        """Return the lesson with blends in place of half of its pictures, and with what the teachers say."""
        count = lesson.squares.shape[0]
        blends = count // 2
        squares, weights = (blended(tensor, blends) for tensor in (lesson.squares, lesson.weights))
        logits, evidence = self._said(squares)
        scores = tf.nn.softmax(logits)
        known = tf.concat([tf.zeros(blends), tf.ones(count - blends)], 0)
        told = known * lesson.told
        return Lesson(
            squares,
            _beside(lesson.labels, scores, known),
            _beside(lesson.cells, tf.sigmoid(evidence / EVIDENCE), told),
            _beside(lesson.there, scores, told),
            tf.ones_like(told),  # where nobody told, teachers do
            lesson.boxes,
            known * lesson.boxed,
            weights,
        )

    def _said(self, squares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits (N x labels) and evidence (N x h x w x labels), the means of all teachers."""
        said = [teacher(squares) for teacher in self._all]
        evidence = [tf.image.resize(one, (self._side, self._side)) for _, one in said]
        return tf.add_n([logits for logits, _ in said]) / len(said), tf.add_n(evidence) / len(said)


class _Teacher:
    def __init__(self, bundle: Bundle, labels: Sequence[str]) -> None:
        manifest = bundle.manifest
        model = load_keras(bundle.verified_keras())
        outputs = [model.get_layer(name).output for name in ("logits", "evidence")]
        self._network = keras.Model(model.input, outputs)
        self._size = manifest.input_size
        self._places = [manifest.labels.index(label) for label in labels]
        self._lowered = tf.constant([_lowered(manifest) if label in manifest.pass_labels else 0.0 for label in labels])

    def __call__(self, squares: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits and evidence of float32 squares."""
        if squares.shape[1] != self._size:
            method = "area" if squares.shape[1] > self._size else "bilinear"
            squares = tf.image.resize(squares, (self._size, self._size), method)
        logits, evidence = self._network(squares, training=False)
        return tf.gather(logits, self._places, axis=-1) + self._lowered, tf.gather(evidence, self._places, axis=-1)


def _require_alike(bundle: Bundle, labels: Sequence[str], recipe: Recipe) -> None:
    if unknown := [label for label in labels if label not in bundle.manifest.labels]:
        raise ConfigError(f"--teacher is {bundle.folder}, which has never seen {unknown[0]!r}; leave it out")
    seen = bundle.manifest.even_contrast
    if seen != recipe.even_contrast:
        raise ConfigError(
            f"--teacher is {bundle.folder}, which sees frames at an --even-contrast of {seen:g}, and here they have "
            f"{recipe.even_contrast:g}; train at {seen:g}, or leave it out"
        )


def _lowered(manifest: Manifest) -> float:
    """Return how far the logits of good product were lowered once all was learnt: for lines, not for learners."""
    lowered = manifest.training.get("good_product_lowered_by")
    return float(lowered) if isinstance(lowered, int | float) else 0.0


def blended(batch: tf.Tensor, blends: int) -> tf.Tensor:
    """Return *batch* with its first *blends* rows blended with as many of its last (Zhang et al. 2018).

    The shares lie evenly between 0 and 1: pictures come in random order, and a run that goes on needs no other chance.
    """
    first, last = batch[:blends], batch[batch.shape[0] - blends :]
    share = _along((tf.range(blends, dtype=tf.float32) + 0.5) / max(blends, 1), first)
    return tf.concat([share * first + (1 - share) * last, batch[blends:]], 0)


def _beside(truth: tf.Tensor, said: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return what teachers said, mixed with the truth of those rows whose truth is known."""
    share = (1 - HEARD) * _along(known, said)
    return share * truth + (1 - share) * said


def _along(rows: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """Return one number a row in a shape that multiplies *batch*."""
    return tf.reshape(rows, (-1, *(1,) * (len(batch.shape) - 1)))
