"""Teaches the network: first its head, then the whole of it; the best epoch's weights come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import keras
import numpy as np

from linecore.inspection import FloatArray, Image
from linecore_models.batches import Batches
from linecore_models.course import Course, Epoch
from linecore_models.learner import Learner, Step
from linecore_models.lesson import Teach, as_told
from linecore_models.machines import Machines
from linecore_models.pictures import Indices, Teaching
from linecore_models.recipe import Recipe
from linecore_models.run_folder import Checkpoint, RunFolder

Clock = Callable[[], float]
"""Says seconds from some moment on, never going back."""

TIMED_STEPS = 3
"""That a plan of time is made from, after one that TensorFlow compiles in."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What chooses the best epoch: the same squares in every epoch, clean and as a line shows them."""

    clean: Image  # uint8, N x size x size
    on_line: Image  # the same under line conditions
    truth: Indices


@dataclass(frozen=True, slots=True)
class Taught:
    """A network that has been taught, and how that went."""

    model: keras.Model
    course: Course


class Watcher(Protocol):
    """Who is told how far the training is."""

    def plan(self, course: Course) -> None:
        """The plan is this, from here on."""
        ...

    def step(self, done: int, of: int) -> None:
        """*done* of an epoch's batches have been seen."""
        ...

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is over."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a training runs, and who looks on."""

    run: RunFolder
    watcher: Watcher
    clock: Clock
    machines: Machines = field(default_factory=Machines)
    resume: bool = False


def train(
    model: keras.Model,
    teaching: Teaching,
    validation: Validation,
    recipe: Recipe,
    around: Surroundings,
    kept: Checkpoint | None,
    teach: Teach = as_told,
) -> Taught:
    """Teach *model*, and return it with the weights of the epoch whose validation loss was lowest.

    Adam on the categorical cross-entropy of the labels and on the class maps against the boxes, the rates falling along
    a cosine, stopped early. *kept* is what a killed run left in the run folder, and where this one goes on from;
    *teach* may make another lesson of what is known of a batch. The same seed on the same machine gives the same
    weights, also of a run that went on.
    """
    learner = Learner(model, recipe, teaching.passes, around.machines, teach)
    return _Training(learner, Batches.of(teaching, recipe, model), validation, recipe, around).run(kept)


@dataclass(frozen=True, slots=True)
class _Training:
    learner: Learner
    batches: Batches
    validation: Validation
    recipe: Recipe
    around: Surroundings

    def run(self, kept: Checkpoint | None) -> Taught:
        course = Course.planned(self.recipe)
        best = self.learner.weights
        timings: tuple[float, float] | None = None
        if kept:
            course, best = kept.course, kept.best
            self.learner.weights, self.learner.momenta = kept.weights, kept.momenta
        if self.recipe.time_budget is not None and not course.over(self.recipe.patience):
            timings = self._timings()
            course = course.within(self.recipe.time_budget, *timings, self.recipe)
        self.around.watcher.plan(course)
        while not course.over(self.recipe.patience):
            whole = course.whole
            epoch = self._epoch(course)
            course = course.after(epoch)
            if course.best is epoch:
                best = self.learner.weights
            if self.recipe.time_budget is not None and timings is not None:
                timings = (timings[0], epoch.seconds) if whole else (epoch.seconds, timings[1])
                course = course.within(self.recipe.time_budget, *timings, self.recipe)
            self.around.run.keep(Checkpoint(course, self.learner.weights, self.learner.momenta, best))
            self.around.watcher.epoch(epoch)
            self.around.watcher.plan(course)
        self.learner.weights = best
        self.around.run.end(course)
        return Taught(self.learner.model, course)

    def _epoch(self, course: Course) -> Epoch:
        """Go through the pictures once."""
        began, steps, number = self.around.clock(), self.batches.steps, len(course.epochs)
        seen: list[Step] = []
        for batch in self.batches.epoch(number, self.around.machines):
            part = (len(seen) + 0.5) / steps
            rates = course.head.rate(self.recipe.head_rate, part), self._backbone_rate(course, part)
            seen.append(self.learner.step(batch, *rates))
            self.around.watcher.step(len(seen), steps)
        self.learner.even_out()
        clean, on_line = self._judged(self.validation.clean), self._judged(self.validation.on_line)
        pictures = steps * self.recipe.batch_size
        mean = self.around.machines.mean
        return Epoch(
            number=number + 1,
            stage=course.stage,
            loss=sum(step.loss for step in seen) / pictures,
            label_loss=sum(step.label_loss for step in seen) / pictures,
            box_loss=sum(step.box_loss for step in seen) / pictures,
            accuracy=sum(step.correct for step in seen) / pictures,
            validation_loss=mean((clean[0] + on_line[0]) / 2),
            validation_accuracy=mean(clean[1]),
            validation_accuracy_line=mean(on_line[1]),
            seconds=mean(self.around.clock() - began),
        )

    def _backbone_rate(self, course: Course, part: float) -> float | None:
        if not course.whole:
            return None
        peak = self.recipe.fine_tune_rate if self.recipe.pretrained else self.recipe.head_rate
        return course.backbone.rate(peak, part)

    def _judged(self, squares: Image) -> tuple[float, float]:
        """Return cross-entropy and accuracy."""
        logits = self.learner.logits(squares)
        losses = _cross_entropy(logits, self.validation.truth)
        return float(losses.mean()), float((logits.argmax(axis=1) == self.validation.truth).mean())

    def _timings(self) -> tuple[float, float]:
        """Return the seconds that an epoch of the head alone and one of the whole will take; it leaves no trace."""
        before = self.learner.weights, self.learner.momenta
        clock, epochs = self.around.clock, []
        for rate in (None, 0.0):
            batches = iter(self.batches.epoch(0, self.around.machines))
            took = []
            for batch in [next(batches, None) for _ in range(1 + TIMED_STEPS)]:
                if batch is not None:
                    began = clock()
                    self.learner.step(batch, 0.0, rate)
                    took.append(clock() - began)
            epochs.append(min(took) * self.batches.steps)
        began = clock()
        self._judged(self.validation.clean)
        judging = 2 * (clock() - began)
        self.learner.weights, self.learner.momenta = before
        head, whole = (self.around.machines.mean(seconds + judging) for seconds in epochs)
        return head, whole


def _cross_entropy(logits: FloatArray, truth: Indices) -> FloatArray:
    above = logits - logits.max(axis=1, keepdims=True)
    losses: FloatArray = np.log(np.exp(above).sum(axis=1)) - above[np.arange(len(truth)), truth]
    return losses
