"""The road from folders of classes to a bundle that can be served: one function a step."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from linecore.inspection import Image
from linecore_models.answers import keras_outputs
from linecore_models.architecture import TAPS, channels_inside, class_bias
from linecore_models.augmentation import AS_IT_LIES
from linecore_models.beginning import finished_model
from linecore_models.bundle import Bundle, sha256_of, write_manifest
from linecore_models.caution import make_cautious
from linecore_models.datacard import data_card
from linecore_models.dataset import (
    LabelledImage,
    folder_hashes,
    label_indices,
    load_image,
    load_squares,
)
from linecore_models.division import HELD_OUT, Division, fractions
from linecore_models.evaluation import metrics_of
from linecore_models.export import HeldOut, write_files
from linecore_models.manifest import Dataset, Manifest, Metrics, Setting, Split
from linecore_models.material import Material, Order, read_material
from linecore_models.network import begun_network, thinned_network
from linecore_models.pictures import Teaching
from linecore_models.recipe import IMAGENET, NO_WEIGHTS, Recipe
from linecore_models.representative import SETTLING, frames_under_conditions, representative_frames
from linecore_models.rounding import settled
from linecore_models.stress import LOOKS
from linecore_models.teachers import teaching_by
from linecore_models.training import Surroundings, Taught, Validation, train
from linecore_models.trust import in_full, with_trust

ON_LINE = 1_000_003
"""Told to the generator that draws line conditions for validation, so that it is another than training's."""


def make_bundle(
    order: Order,
    recipe: Recipe,
    out: Path,
    around: Surroundings,
    now: datetime,
    show: Callable[[Dataset], None] = lambda data: None,
) -> Manifest | None:
    """Train and write the bundle into the folder *out*, which must be there; return its model.json.

    *show* is told of the data before anything is learnt from it. Of several machines, all but the chief return None and
    write nothing.

    Raises:
        ConfigError: the data or the backbone's weights are not fit to train with.
    """
    material = read_material(order, recipe.seed)
    begun = finished_model(recipe.weights)
    data = _dataset(material, order, begun)
    if around.machines.chief:
        show(data)
    settings = _settings(recipe, order, material, begun)
    validation = _validation(material, order, recipe)
    teaching, network = _teaching(material, order), begun_network(material.labels, recipe)
    teach = teaching_by(order.teachers, material.labels, network)
    kept = around.run.begin(settings, resume=around.resume)
    if recipe.prune:
        network = thinned_network(network, teaching, recipe, around.machines, kept)
    taught = train(network, teaching, validation, recipe, around, kept, teach)
    if not around.machines.chief:
        return None
    network = _settled(taught.model, material, recipe) if "int8" in order.variants else taught.model
    lowered = _made_cautious(network, material, order, recipe)
    held_out = _held_out(material, recipe)
    scores = keras_outputs(network, "scores", held_out.squares)

    def metrics(part: npt.NDArray[np.bool_]) -> Metrics:
        sources = [name for name, chosen in zip(held_out.folders, part, strict=True) if chosen]
        answers = scores[part].argmax(axis=1)
        return metrics_of(held_out.truth[part], answers, sources, material.labels, material.pass_labels)

    manifest = Manifest(
        name=order.name,
        version=order.version,
        created=now,
        labels=material.labels,
        pass_labels=material.pass_labels,
        input_size=recipe.input_size,
        resize=recipe.resize,
        even_contrast=recipe.even_contrast,
        variants={},
        bias=dict(zip(material.labels, class_bias(network), strict=True)),
        data=data,
        split=_split(material, recipe.seed, order.validation_share),
        training=settings
        | _outcome(taught)
        | {"rounded_to_int8": "int8" in order.variants, "good_product_lowered_by": lowered},
        metrics={"validation": metrics(~held_out.tests), "test": metrics(held_out.tests)},
        licence=order.card.licence,
        limits=order.card.limits,
    )
    measured = write_files(
        out,
        network,
        manifest,
        variants=order.variants,
        with_keras=order.with_keras,
        representative=representative_frames(material.division.train, recipe.preprocessing, recipe.seed),
        held_out=replace(held_out, conditions=frames_under_conditions(_held(material), manifest, recipe.seed)),
        keras_scores=scores,
    )
    complete = with_trust(out, measured, material.division, order.unknown)
    write_manifest(out, complete)
    around.run.forget()
    return complete


def _settled(model: keras.Model, material: Material, recipe: Recipe) -> keras.Model:
    """Return the network with the kernels that int8 will have: what is measured is what is shipped."""
    frames = representative_frames(material.division.train, recipe.preprocessing, recipe.seed, frames=SETTLING)
    return settled(model, frames, seed=recipe.seed)


def _made_cautious(network: keras.Model, material: Material, order: Order, recipe: Recipe) -> float:
    """Move the border between good product and defects by what validation frames say; return how far."""
    images = in_full(material.division.validation, order.folder_weights)
    passes = [label in material.pass_labels for label in material.labels]
    on_line = (_on_line(image, recipe, number) for number, image in enumerate(LOOKS * images))
    squares = [load_squares(images, recipe.preprocessing)]
    squares.append(recipe.preprocessing.squares(on_line))
    truth = np.tile(label_indices(images, material.labels), 1 + LOOKS)
    return make_cautious(network, np.concatenate(squares), truth, passes)


def _teaching(material: Material, order: Order) -> Teaching:
    return Teaching(
        material.division.train, material.labels, material.pass_labels, order.folder_weights, order.per_epoch
    )


def _validation(material: Material, order: Order, recipe: Recipe) -> Validation:
    """Return what chooses the best epoch; of a folder that an epoch draws few of, as many at most."""
    everything = material.division.validation
    limited = Teaching(everything, material.labels, material.pass_labels, {}, order.per_epoch)
    images = [everything[index] for index in sorted(limited.order(recipe.seed, ON_LINE).tolist())]
    on_line = (_on_line(image, recipe, number) for number, image in enumerate(images))
    return Validation(
        load_squares(images, recipe.preprocessing),
        recipe.preprocessing.squares(on_line),
        label_indices(images, material.labels),
    )


def _on_line(image: LabelledImage, recipe: Recipe, number: int) -> Image:
    rng = np.random.default_rng([recipe.seed, ON_LINE, number])
    return AS_IT_LIES(load_image(image), {}, rng)[0]


def _held_out(material: Material, recipe: Recipe) -> HeldOut:
    held = _held(material)
    return HeldOut(
        load_squares(held, recipe.preprocessing),
        label_indices(held, material.labels),
        [image.source for image in held],
        np.arange(len(held)) >= len(material.division.validation),
    )


def _held(material: Material) -> tuple[LabelledImage, ...]:
    return (*material.division.validation, *material.division.test)


def _dataset(material: Material, order: Order, begun: Bundle | None) -> Dataset:
    finished = [model.manifest for model in (*order.teachers, begun) if model]
    folders = folder_hashes(material.images)
    return Dataset(
        hash=_data_hash(folders),
        counts=dict(sorted(Counter(image.label for image in _all(material.division)).items())),
        sources=order.card.sources or tuple(folders),
        folders=folders,
        weights=dict(order.folder_weights),
        spread=order.spread,
        card=data_card(material.division, material.integrity, material.left_out, finished),
    )


def _data_hash(folders: Mapping[str, str]) -> str:
    return hashlib.sha256(
        "".join(f"{name}\0{digest}\n" for name, digest in sorted(folders.items())).encode()
    ).hexdigest()


def _all(division: Division) -> tuple[LabelledImage, ...]:
    return (*division.train, *division.validation, *division.test)


def _split(material: Material, seed: int, validation_share: float) -> Split:
    division = material.division
    return Split(
        method=material.split,
        seed=seed,
        fractions=fractions(validation_share),
        files={
            "validation": tuple(image.name for image in division.validation),
            "test": tuple(image.name for image in division.test),
        },
    )


def _settings(recipe: Recipe, order: Order, material: Material, begun: Bundle | None) -> dict[str, Setting]:
    """Return all that the weights depend on: what must be the same for a run to go on after a kill."""
    settings: dict[str, Setting] = asdict(recipe)
    settings |= {f"weight_of_{folder}": weight for folder, weight in order.folder_weights.items()}
    settings |= {f"per_epoch_of_{folder}": limit for folder, limit in order.per_epoch.items()}
    if order.spread:
        settings["spread"] = ", ".join(sorted(order.spread))
    if order.validation_share != HELD_OUT:
        settings["validation_share"] = order.validation_share
    # Where the file lies says nothing to others; what is in it does.
    for number, teacher in enumerate(order.teachers, 1):
        settings |= _named(f"teacher_{number}", teacher)
    if begun:
        settings |= _named("weights", begun)
    elif recipe.weights not in (IMAGENET, NO_WEIGHTS) and Path(recipe.weights).is_file():
        settings |= {"weights": Path(recipe.weights).name, "weights_sha256": sha256_of(Path(recipe.weights))}
    images = material.division.train
    return settings | {
        "backbone": f"MobileNetV2, {', '.join(TAPS)}",
        "optimizer": "Adam with decoupled weight decay",
        "loss": "categorical cross-entropy; sigmoid cross-entropy and Dice of the class maps where there are boxes",
        "images": len(images),
        "images_with_boxes": sum(bool(image.boxes) for image in images),
        "images_mined": sum(image.window is not None for image in images),
        "data": _data_hash(folder_hashes(material.images)),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def _named(what: str, finished: Bundle) -> dict[str, Setting]:
    known = finished.manifest
    return {what: f"{known.name} {known.version}", f"{what}_sha256": sha256_of(finished.verified_keras())}


def _outcome(taught: Taught) -> dict[str, Setting]:
    course = taught.course
    return {
        "epochs_run": len(course.epochs),
        "epochs_frozen": course.head_epochs,
        "best_epoch": course.best.number,
        "seconds": round(course.seconds),
        "channels_inside_blocks": sum(channels_inside(taught.model).values()),
    }
