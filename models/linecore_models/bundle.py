"""A model bundle: a folder that holds model.json and the model's files. Serving takes only what it can vouch for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from linecore.errors import ConfigError, ModelError
from linecore.validation import did_you_mean, validate
from linecore_models.manifest import MAX_RECALL_LOSS, MIN_AGREEMENT, Manifest, ModelFile, Parity, VariantName
from linecore_models.novelty import Novelty

MANIFEST = "model.json"
BUNDLED = Path(__file__).parent / "bundles"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder with a model, and what its model.json says."""

    folder: Path
    manifest: Manifest

    def servable(self) -> list[VariantName]:
        """Return the variants that are near enough to Keras and whose files are there, in the order of model.json."""
        return [
            name
            for name, variant in self.manifest.variants.items()
            if variant.parity and variant.parity.fit and (self.folder / variant.file).is_file()
        ]

    def verified(self, variant: VariantName) -> Path:
        """Return the TFLite file of *variant*; ModelError where it is absent, damaged or not near enough to Keras."""
        known = self.manifest.variants.get(variant)
        if known is None:
            has = ", ".join(self.manifest.variants) or "none"
            raise ModelError(f"{self.folder} has no variant {variant!r}; it has {has}")
        if known.parity is None:
            raise ModelError(f"{self.folder / known.file} was never compared with Keras; export the model again")
        if not known.parity.fit:
            fit = ", ".join(self.servable())
            raise ModelError(
                f"{self.folder / known.file} {_shortfall(known.parity)} and is not served; "
                + (f"choose a variant that passed parity ({fit})" if fit else "export the model again")
            )
        return self._whole(known)

    def verified_keras(self) -> Path:
        """Return the Keras file; ModelError where it is absent or damaged."""
        if self.manifest.keras is None:
            raise ModelError(f"{self.folder} holds no Keras model; export it with one or serve its TFLite")
        return self._whole(self.manifest.keras)

    def novelty(self) -> Novelty | None:
        """Return what tells novel frames, None where the bundle has none; ModelError where it is absent or damaged."""
        return Novelty.read(self._whole(self.manifest.novelty)) if self.manifest.novelty else None

    def _whole(self, known: ModelFile) -> Path:
        path = self.folder / known.file
        if not path.is_file():
            raise ModelError(f"{path} is not there although model.json lists it; restore it or export the model again")
        actual = sha256_of(path)
        if actual != known.sha256:
            raise ModelError(
                f"{path} is damaged: its sha256 begins with {actual[:12]}, model.json says {known.sha256[:12]}; "
                "restore the file or export the model again"
            )
        return path


def _shortfall(parity: Parity) -> str:
    agreement, loss = parity.top1_agreement, parity.largest_recall_loss
    if agreement.share >= MIN_AGREEMENT and loss > MAX_RECALL_LOSS:
        label = min(parity.recall_change, key=lambda label: parity.recall_change[label])
        return f"finds {100 * loss:.1f} % fewer of {label!r} than the Keras model"
    if agreement.share >= MIN_AGREEMENT:
        return "is marked as not passed"
    return f"answers like the Keras model on only {agreement.agree} of {agreement.of} frames"


def bundled_models() -> list[str]:
    """Return the names of the models that ship with linecore."""
    return sorted(manifest.parent.name for manifest in BUNDLED.glob(f"*/{MANIFEST}"))


def find_bundle(name_or_path: str, folder: Path) -> Path:
    """Return the folder of a bundled model, or of one's own: a path, relative to *folder*.

    A bundled name wins over a folder of the same name; write ``./name`` for the folder. ModelError where neither is.
    """
    bundled = bundled_models()
    if name_or_path in bundled:
        return BUNDLED / name_or_path
    path = folder / Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    there = "is a file" if path.exists() else "does not exist"
    wish = did_you_mean(name_or_path, bundled) or f"; bundled are {', '.join(bundled) or 'none'}"
    raise ModelError(f"{name_or_path!r} is neither a bundled model nor a folder ({path} {there}){wish}")


def load_bundle(path: Path) -> Bundle:
    """Read the bundle in the folder *path*; ModelError where the folder or its model.json is missing or wrong.

    The model's files are not opened: :meth:`Bundle.verified` does that for the one that is to be served.
    """
    manifest = path / MANIFEST
    if not path.is_dir():
        raise ModelError(f"{path} is no folder; a model is a folder that holds {MANIFEST}")
    if not manifest.is_file():
        raise ModelError(f"{path} holds no {MANIFEST}; name the folder that `linecore train` or an export has written")
    try:
        written = json.loads(manifest.read_bytes())
    except ValueError as error:
        raise ModelError(f"{manifest} is not valid JSON: {error}; restore it or export the model again") from None
    try:
        return Bundle(path, validate(Manifest, written, where=str(manifest), key="", shown=written, folder=path))
    except ConfigError as error:
        raise ModelError(str(error)) from None


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write *manifest* as the folder's model.json, at once and not half; return its path."""
    path = folder / MANIFEST
    part = path.with_suffix(".part")
    part.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return part.replace(path)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
