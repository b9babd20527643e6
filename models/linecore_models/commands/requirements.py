"""What ``linecore train`` refuses before anything is replaced or learnt. TensorFlow is not needed to say so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast, get_args

from linecore.errors import ConfigError, ModelError
from linecore_models.bundle import MANIFEST, Bundle, find_bundle, load_bundle
from linecore_models.dataset import read_folders
from linecore_models.manifest import Manifest, VariantName
from linecore_models.recipe import IMAGENET, NO_WEIGHTS
from linecore_models.run_folder import WRITTEN as RUN_FILES

VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
WRITTEN = (MANIFEST, *RUN_FILES, "model.keras", "novelty.npz", *(f"model.{variant}.tflite" for variant in VARIANTS))
"""What `linecore train` writes, and --force takes away."""


def require_classes(data: tuple[Path, ...], option: str, labels: tuple[str, ...]) -> None:
    """Refuse a label that the data does not have; raises ConfigError."""
    known = {image.label for image in read_folders(data)}
    if strange := [label for label in labels if label not in known]:
        raise ConfigError(
            f"{option} is {strange[0]!r}, which is no class of the data; it has {', '.join(sorted(known))}"
        )


def require_spread_is_mined(
    data: tuple[Path, ...], spread: tuple[str, ...], pass_labels: tuple[str, ...], *, mined: bool
) -> None:
    """Refuse --spread where it would have no effect; raises ConfigError."""
    require_classes(data, "--spread", spread)
    if spread and not mined:
        raise ConfigError(
            "--spread says where no good product is mined, and none is mined; give --boxes, or leave it out"
        )
    if wrong := [label for label in spread if label in pass_labels]:
        raise ConfigError(f"--spread names {wrong[0]!r}, which is good product; name classes of defects")


def require_beginning(weights: str, out: Path, *, prune: float = 0.0) -> Manifest | None:
    """Refuse weights that are not there, before an older bundle goes, and to replace the model that is begun from.

    Refuse also to prune what has learnt nothing yet.

    Return what is known of that model; None where the weights are no finished model's.

    Raises:
        ConfigError: it says which.
    """
    if weights in (IMAGENET, NO_WEIGHTS) or Path(weights).is_file():
        if prune:
            raise ConfigError(
                f"--prune is {prune:g}, which takes channels out of a finished model; name one with --weights"
            )
        return None
    try:
        bundle = load_bundle(find_bundle(weights, Path()))
    except ModelError as error:
        raise ConfigError(f"--weights is no file, and no model to begin from: {error}") from error
    if bundle.folder.resolve() == out.resolve():
        raise ConfigError(f"--out is '{out}', the model that --weights begins from; name another folder with --out")
    return bundle.manifest


def teachers_in(names: tuple[str, ...], out: Path, even_contrast: float) -> tuple[Bundle, ...]:
    """Return the finished models that teach.

    Raises:
        ConfigError: one is not there, would be replaced, or sees frames with more or less contrast.
    """
    bundles = []
    for name in names:
        try:
            bundle = load_bundle(find_bundle(name, Path()))
            bundle.verified_keras()
        except ModelError as error:
            raise ConfigError(f"--teacher is {name!r}, which cannot teach: {error}") from error
        if bundle.folder.resolve() == out.resolve():
            raise ConfigError(f"--out is '{out}', the model that --teacher names; name another folder with --out")
        if (seen := bundle.manifest.even_contrast) != even_contrast:
            raise ConfigError(
                f"--teacher is {name!r}, which sees frames at an --even-contrast of {seen:g}, where this training has "
                f"{even_contrast:g}; train at {seen:g}, or leave this teacher out"
            )
        bundles.append(bundle)
    return tuple(bundles)


def taken_over(finished: Manifest) -> dict[str, Any]:
    """Return how the network of a finished model is built and what it sees, by the names of a recipe."""
    seen: dict[str, Any] = {
        "input_size": finished.input_size,
        "resize": finished.resize,
        "even_contrast": finished.even_contrast,
    }
    return seen | {name: finished.training[name] for name in ("alpha", "channels") if name in finished.training}


def variants_of(text: str) -> tuple[VariantName, ...]:
    """Return the variants that *text* names, separated by commas; raises ConfigError where it names none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names or [text]:
        if name not in VARIANTS:
            raise ConfigError(f"--variants names {name!r}; it takes {', '.join(VARIANTS)}, separated by commas")
    return tuple(cast(VariantName, name) for name in dict.fromkeys(names))


def run_folder(out: Path, *, force: bool, resume: bool) -> tuple[Path, ...]:
    """Make the folder for a bundle; return the files of an older one in it, which are to go when the run begins.

    Raises:
        ConfigError: it is a file, or holds a model that nobody said is to be replaced.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out is '{out}', which is a file; name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out is '{out}', which cannot be made ({error.strerror}); name another folder") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise ConfigError(f"--out is '{out}', into which you may not write; name another folder")
    old = [out / name for name in WRITTEN if (out / name).exists()]
    if resume and not (out / MANIFEST).exists():
        return ()
    if old and not force:
        raise ConfigError(
            f"--out is '{out}', which holds a model already; name a new folder, or replace it with --force"
        )
    return tuple(old)
