"""What ``linecore train`` refuses before anything is replaced or learnt. TensorFlow is not needed to say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from linecore.errors import ConfigError, ModelError
from linecore_models.bundle import find_bundle, load_bundle
from linecore_models.dataset import read_folders
from linecore_models.manifest import Manifest
from linecore_models.recipe import IMAGENET, NO_WEIGHTS


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


def require_beginning(weights: str, out: Path) -> Manifest | None:
    """Refuse weights that are not there, before an older bundle goes, and to replace the model that is begun from.

    Return what is known of that model; None where the weights are no finished model's.

    Raises:
        ConfigError: it says which.
    """
    if weights in (IMAGENET, NO_WEIGHTS) or Path(weights).is_file():
        return None
    try:
        bundle = load_bundle(find_bundle(weights, Path()))
    except ModelError as error:
        raise ConfigError(f"--weights is no file, and no model to begin from: {error}") from error
    if bundle.folder.resolve() == out.resolve():
        raise ConfigError(f"--out is '{out}', the model that --weights begins from; name another folder with --out")
    return bundle.manifest


def taken_over(finished: Manifest) -> dict[str, Any]:
    """Return how the network of a finished model is built and what it sees, by the names of a recipe."""
    seen: dict[str, Any] = {
        "input_size": finished.input_size,
        "resize": finished.resize,
        "even_contrast": finished.even_contrast,
    }
    return seen | {name: finished.training[name] for name in ("alpha", "channels") if name in finished.training}
