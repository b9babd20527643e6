"""A network while it learns: its optimizers, and the step that moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from linecore.inspection import FloatArray, Image
from linecore_models.lesson import Lesson, Teach, as_told, lesson_of
from linecore_models.loss import cell_loss, label_loss, overlap_loss
from linecore_models.machines import Machines
from linecore_models.recipe import Recipe

CLIP = 5.0
"""Norm of the gradient that a step of fine-tuning goes by at most: one odd batch must not throw the backbone out."""

Arrays = list[npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch came to: sums over its pictures."""

    loss: float
    label_loss: float
    box_loss: float
    correct: float  # by the label that is likeliest in the lesson: of a blend, the teachers'


class Learner:
    """Moves a network's weights: those of the head, or those of the whole of it."""

    def __init__(
        self,
        model: keras.Model,
        recipe: Recipe,
        passes: Sequence[bool],
        machines: Machines,
        teach: Teach = as_told,
    ) -> None:
        """Take the network; *passes* says of each label whether it is good product, which has no boxes.

        *teach* may make another lesson of what is known of a batch.
        """
        self.model = model
        self._recipe = recipe
        self._machines = machines
        self._teach = teach
        self._placed = 1 - tf.constant([passes], tf.float32)
        outputs = {name: model.get_layer(name).output for name in ("logits", "evidence")}
        self._network = keras.Model(model.input, outputs)
        backbone = model.get_layer("backbone").trainable_variables
        known = {id(variable) for variable in backbone}
        head = [variable for variable in model.trainable_variables if id(variable) not in known]
        self._parts = (head, backbone)
        self._optimizers = tuple(keras.optimizers.Adam(weight_decay=recipe.weight_decay) for _ in self._parts)
        for optimizer, part in zip(self._optimizers, self._parts, strict=True):
            optimizer.build(part)
        self._steps = {whole: tf.function(self._moved(whole=whole), autograph=False) for whole in (False, True)}
        side = recipe.input_size
        self._look = tf.function(
            lambda squares: self._network(squares, training=False)["logits"],
            input_signature=[tf.TensorSpec((None, side, side, 1), tf.float32)],
        )

    def step(self, batch: Sequence[tf.Tensor], head_rate: float, backbone_rate: float | None) -> Step:
        """Move the head, and the backbone where there is a rate for it."""
        for optimizer, rate in zip(self._optimizers, (head_rate, backbone_rate or 0.0), strict=True):
            optimizer.learning_rate.assign(rate)
        return Step(*(float(number) for number in self._steps[backbone_rate is not None](*batch)))

    def logits(self, squares: Image, batch_size: int = 64) -> FloatArray:
        """Return the logits (N x labels) of uint8 squares (N x size x size)."""
        batches = (squares[start : start + batch_size] for start in range(0, len(squares), batch_size))
        answers: FloatArray = np.concatenate(
            [self._look(batch[..., np.newaxis].astype(np.float32)).numpy() for batch in batches]
        )
        return answers

    def slopes_of(self, weights: Sequence[keras.Variable]) -> Callable[[Sequence[tf.Tensor]], list[FloatArray]]:
        """Return what tells the gradient of a batch's loss for some of the weights, summed over all machines."""
        variables = [variable.value for variable in weights]

        def slopes(*batch: tf.Tensor) -> Sequence[tf.Tensor]:
            def of_share() -> list[tf.Tensor]:
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(variables)
                    loss = self._numbers(lesson_of(batch))[0] / self._recipe.batch_size
                gradients: list[tf.Tensor] = tape.gradient(loss, variables)
                return gradients

            return self._machines.sums(of_share)

        step = tf.function(slopes, autograph=False)
        return lambda batch: [gradient.numpy() for gradient in step(*batch)]

    def even_out(self) -> None:
        """Give all machines the mean of what their batch norm has seen, which no gradient carries."""
        variables = [variable for variable in self.model.non_trainable_variables if variable.dtype == "float32"]
        if self._machines.strategy is None or not variables:
            return

        def seen() -> list[tf.Tensor]:
            return [tf.identity(variable.value) for variable in variables]

        sums = tf.function(lambda: self._machines.sums(seen), autograph=False)()
        for variable, total in zip(variables, sums, strict=True):
            variable.assign(total / self._machines.count)

    @property
    def weights(self) -> Arrays:
        """What the network knows, to be assigned again."""
        return [np.array(variable) for variable in self.model.variables]

    @weights.setter
    def weights(self, values: Arrays) -> None:
        for variable, value in zip(self.model.variables, values, strict=True):
            variable.assign(value)

    @property
    def momenta(self) -> Arrays:
        """What the optimizers remember, to be assigned again."""
        return [np.array(variable) for variable in self._remembered()]

    @momenta.setter
    def momenta(self, values: Arrays) -> None:
        for variable, value in zip(self._remembered(), values, strict=True):
            variable.assign(value)

    def _remembered(self) -> list[keras.Variable]:
        return list(chain.from_iterable(optimizer.variables for optimizer in self._optimizers))

    def _moved(self, *, whole: bool):  # type: ignore[no-untyped-def]  # of tensors, which have no types
        parts = self._parts if whole else self._parts[:1]
        variables = list(chain.from_iterable(parts))

        def moved(*batch: tf.Tensor) -> list[tf.Tensor]:
            def told_and_gradients() -> list[tf.Tensor]:
                lesson = self._teach(lesson_of(batch))  # outside the tape, which would record it
                with tf.GradientTape() as tape:
                    numbers = self._numbers(lesson)
                    loss = numbers[0] / self._recipe.batch_size
                return [*numbers, *tape.gradient(loss, variables)]

            summed = self._machines.sums(told_and_gradients)
            numbers, gradients = summed[:4], list(summed[4:])
            if whole:
                gradients, _ = tf.clip_by_global_norm(gradients, CLIP)
            done = 0
            for optimizer, part in zip(self._optimizers, parts, strict=False):
                optimizer.apply(gradients[done : done + len(part)], part)
                done += len(part)
            return list(numbers)

        return moved

    def _numbers(self, lesson: Lesson) -> tuple[tf.Tensor, ...]:
        """Return loss, the labels' part and the boxes' part of it, and how many are right, summed over the batch."""
        recipe, weights = self._recipe, lesson.weights
        answers = self._network(lesson.squares, training=True)
        logits, evidence = answers["logits"], answers["evidence"]
        told, boxed = (self._placed * known[:, tf.newaxis] for known in (lesson.told, lesson.boxed))
        of_label = label_loss(logits, lesson.labels, recipe.label_smoothing)
        of_boxes = recipe.box_weight * cell_loss(evidence, lesson.cells, lesson.there, told)
        of_boxes += recipe.overlap_weight * overlap_loss(evidence, lesson.boxes, boxed)
        right = tf.cast(tf.equal(tf.argmax(logits, 1), tf.argmax(lesson.labels, 1)), tf.float32)
        return (
            tf.reduce_sum(weights * (of_label + of_boxes)),
            tf.reduce_sum(weights * of_label),
            tf.reduce_sum(weights * of_boxes),
            tf.reduce_sum(right),
        )
