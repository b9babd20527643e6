"""Finished models that a network learns from, beside what is known of its pictures.

It is knowledge distillation (Hinton et al. 2015, https://arxiv.org/abs/1503.02531). Teachers see the very squares
that the network sees. Half of each batch are blends of two pictures, of which nobody knows the truth: what models agree
on where they were not taught is what one of them can learn from the others (Beyer et al. 2022,
https://arxiv.org/abs/2106.05237).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from linecore.errors import ConfigError, ModelError
from linecore_models.bundle import Bundle
from linecore_models.keras_file import load_keras
from linecore_models.lesson import Lesson, Teach, as_told
from linecore_models.loss import EVIDENCE
from linecore_models.manifest import Manifest

HEARD = 0.5
"""How much teachers count beside the truth of a picture whose truth is known."""


def teaching_by(bundles: Sequence[Bundle], labels: Sequence[str], network: keras.Model) -> Teach:
    """Return what adds finished models to a lesson of *network*; nothing where there are none.

    Raises:
        ConfigError: one of them does not know all of the *labels*, or is built otherwise.
    """
    return Teachers(bundles, labels, network) if bundles else as_told


class Teachers:
    """What several finished models say: the means of their logits and of their evidence."""

    def __init__(self, bundles: Sequence[Bundle], labels: Sequence[str], network: keras.Model) -> None:
        """Take the finished models, one at least, for a network of *labels*; raises what `teaching_by` does."""
        self._side = int(network.output["class_maps"].shape[1])
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
        if unknown := [label for label in labels if label not in manifest.labels]:
            raise ConfigError(
                f"--teacher is '{bundle.folder}', which has never seen {unknown[0]!r}; leave this teacher out"
            )
        self._network = _asked_for_both(bundle)
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


def _asked_for_both(bundle: Bundle) -> keras.Model:
    """Return a bundle's network, to be asked for logits and for evidence; ConfigError where it is built otherwise."""
    size, count = bundle.manifest.input_size, len(bundle.manifest.labels)
    try:
        model = load_keras(bundle.verified_keras())
        outputs = [model.get_layer(name).output for name in ("logits", "evidence")]
        network = keras.Model(model.input, outputs)
        shapes = tuple(network.input.shape[1:]), *(output.shape[-1] for output in network.outputs)
        if shapes != ((size, size, 1), count, count):
            raise ValueError(
                f"it takes {shapes[0]} and tells {shapes[1]} labels, which is not what its model.json says"
            )
    except (ValueError, AttributeError, ModelError) as error:  # what Keras raises where a layer is absent or another
        reason = str(error).split(". Existing layers", maxsplit=1)[0]
        raise ConfigError(
            f"--teacher is '{bundle.folder}', which cannot teach ({reason}); leave this teacher out, or train it "
            "with this version of linecore"
        ) from error
    return network


def _lowered(manifest: Manifest) -> float:
    """Return how far the logits of good product were lowered once all was learnt: for lines, not for learners."""
    lowered = manifest.training.get("good_product_lowered_by")
    return float(lowered) if isinstance(lowered, int | float) else 0.0


def blended(batch: tf.Tensor, blends: int) -> tf.Tensor:
    """Return *batch* (float32, N x ...), a machine's share, its first *blends* rows blended with its last.

    It is mixup (Zhang et al. 2018, https://arxiv.org/abs/1710.09412) without labels.

    How much of each lies evenly between nothing and all: pictures come in random order, and a run that goes on needs
    no other chance.
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
