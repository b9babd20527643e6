"""What model.json says of a bundle: what the model answers, its files, how it was made and how well it does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore_models.preprocessing import Preprocessing, Resize

SCHEMA_VERSION: Literal[1] = 1

VariantName = Literal["int8", "float16", "float32"]
PartName = Literal["train", "validation", "test"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Setting = str | int | float | bool | None

MIN_AGREEMENT = 0.995
"""Of a variant's labels with the Keras model's: below it, the Keras model's figures are not the variant's."""

MAX_RECALL_LOSS = 0.02
"""Of any label: an agreement over all labels could hide that one of them is no longer found."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Agreement(_Section):
    """On how many frames two models gave the same label."""

    agree: Count
    of: int = Field(gt=0)

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.agree / self.of


class Parity(_Section):
    """How far a variant's answers are from the Keras model's, on the validation and the test frames."""

    top1_agreement: Agreement
    max_probability_change: Share = Field(description="largest change of any label's probability on any frame")
    recall_change: dict[str, float] = Field(description="label -> the variant's recall minus the Keras model's")
    relative_speed: float | None = Field(None, gt=0, description="frames per second over those of float32")
    conditions: dict[str, Agreement] = Field({}, description="line condition -> agreement on the same frames under it")
    passed: bool = Field(description="near enough to be served; true only where the figures above say so too")

    @property
    def fit(self) -> bool:
        """Whether the variant may be served: it was let pass, and its figures bear that out.

        Not ``passed`` alone: that word is easily changed by hand, or was written when less was asked for.
        """
        agrees = self.top1_agreement.share >= MIN_AGREEMENT
        return self.passed and agrees and self.largest_recall_loss <= MAX_RECALL_LOSS

    @property
    def largest_recall_loss(self) -> float:
        """Of any label, from 0 to 1."""
        return max(0.0, -min(self.recall_change.values(), default=0.0))


class Score(_Section):
    """How many frames are judged right, and what goes wrong at the gate."""

    correct: Count
    of: int = Field(gt=0)
    accuracy: Share
    escapes: Count = Field(description="frames with a defect that were given a pass label")
    overkill: Count = Field(description="frames of good product that were given a defect's label")


class ModelFile(_Section):
    """A file of the bundle, and how to tell that it is whole."""

    file: str = Field(pattern=r"^[^/\\]+$", description="name inside the bundle's folder")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: Count


class Variant(ModelFile):
    """One TFLite file of the model."""

    parity: Parity | None = Field(None, description="None where it was not measured: such a variant is not served")
    test: dict[str, Score] = Field({}, description="data folder -> how this very file does on the folder's test frames")


class NoveltyFile(ModelFile):
    """How the bundle measures novelty, and how well that worked where it was chosen."""

    method: str = Field(description="what the distance is, and of which features")
    variant: VariantName | None = Field(None, description="whose answers it was made from; None: the Keras model's")
    taught: Count = Field(description="frames that say what is known, those under line conditions included")
    known: Count = Field(description="frames that did not teach, whose distances are the quantiles")
    unknown: dict[str, tuple[str, ...]] = Field(
        {}, description="folder of other surfaces -> the images that taught, by the beginnings of their sha256"
    )
    doubtful: tuple[str, ...] = Field((), description="those of them that look as if they showed the product")
    auroc: dict[str, Share] = Field(
        {}, description="family of drawn textures -> how well it is told from known frames where it was not shown"
    )


class DataCard(_Section):
    """What the data holds, and what was found wrong with it."""

    counts: dict[str, dict[PartName, Count]] = Field(description="label -> part -> images, mined windows included")
    boxes: dict[str, Count] = Field({}, description="label -> boxes that people drew")
    good_steel: dict[PartName, Count] = Field({}, description="part -> windows mined between the boxes")
    unreadable: tuple[str, ...] = Field((), description="files that are no image")
    exact_duplicates: tuple[tuple[str, str], ...] = Field((), description="images with the same pixels")
    near_duplicates: dict[str, Count] = Field({}, description="two parts -> pairs that show much of the same steel")
    contradictions: tuple[tuple[str, str], ...] = Field((), description="the same picture under two labels")
    indistinct: Count = Field(0, description="images too like their class to tell copies from")
    left_out: tuple[str, ...] = Field((), description="not trained or validated with: they show what judges them")
    seen: tuple[str, ...] = Field(
        (), description="files that validate or test, and may have taught a model that it was learnt from"
    )


class Dataset(_Section):
    """The frames that the model was made from."""

    hash: str = Field(description="sha256 over the names and contents of all files")
    counts: dict[str, Count] = Field(description="label -> frames")
    sources: tuple[str, ...] = Field(description="where the frames came from")
    folders: dict[str, str] = Field({}, description="data folder -> sha256 over its files: tells who holds the same")
    weights: dict[str, float] = Field({}, description="data folder -> how much its images counted, where not 1")
    spread: tuple[str, ...] = Field((), description="labels whose images gave no good product: it looks the same")
    card: DataCard | None = None


class Split(_Section):
    """Which frames taught, which chose, and which judged the model."""

    method: str
    seed: int
    fractions: dict[Literal["train", "validation", "test"], Share]
    files: dict[Literal["validation", "test"], tuple[str, ...]] = Field(description="data folder/label/file")


class LabelMetrics(_Section):
    """How well one label is found."""

    recall: Share
    precision: Share
    f1: Share
    support: Count = Field(description="frames that truly carry the label")


class Metrics(_Section):
    """How well the Keras model does on frames that it was not trained on; parity says how the variants differ."""

    correct: Count
    of: int = Field(gt=0)
    accuracy: Share
    per_class: dict[str, LabelMetrics]
    confusion: tuple[tuple[Count, ...], ...] = Field(description="rows are the truth, columns the answer, as in labels")
    folders: dict[str, Score] = Field({}, description="data folder -> the same, of its frames alone")


class Manifest(_Section):
    """All of model.json; unknown keys are refused."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    created: datetime
    labels: tuple[str, ...] = Field(min_length=2, description="in the order of the model's outputs")
    pass_labels: tuple[str, ...] = Field((), description="labels of good product; none where the model knows defects")
    input_size: int = Field(gt=0, description="pixels on each side of the square that the model sees")
    resize: Resize = Field(description="how a frame becomes that square: OpenCV's INTER_LINEAR or INTER_AREA")
    even_contrast: Share = Field(0.0, description="how far that square's contrast is made the same: 0 not, 1 wholly")
    colour: Literal["grey"] = "grey"
    variants: dict[VariantName, Variant]
    keras: ModelFile | None = None
    bias: dict[str, float] = Field(description="label -> what the class map's mean lacks to the logit")
    temperature: float = Field(1.0, gt=0, description="divides the logits, so that confidence means what it says")
    min_confidence: Share | None = Field(None, description="below it the model's makers would ask a person")
    novelty: NoveltyFile | None = None
    max_novelty: Share | None = Field(None, description="above it the model's makers would ask a person")
    region_threshold: float | None = Field(
        None, gt=0, le=1, description="share of a heat map's peak from which on a pixel belongs to a defect, measured"
    )
    data: Dataset
    split: Split
    training: dict[str, Setting] = Field(description="how it was trained: seed, weights, epochs and the like")
    metrics: dict[Literal["validation", "test"], Metrics]
    licence: str = Field(description="under which terms the model, its weights and its data may be used")
    limits: tuple[str, ...] = Field((), description="sentences: what the model must not be trusted with")

    @property
    def preprocessing(self) -> Preprocessing:
        """How a frame becomes what the model sees."""
        return Preprocessing(self.input_size, self.resize, self.even_contrast)

    @model_validator(mode="after")
    def _labels_agree(self) -> Self:
        known = set(self.labels)
        if len(known) < len(self.labels):
            raise ValueError("labels must name each label once")
        if strange := sorted(set(self.pass_labels) - known):
            raise ValueError(f"pass_labels holds {strange[0]!r}, which is none of the labels")
        if self.bias.keys() != known:
            raise ValueError("bias must hold one number for each of the labels")
        return self
