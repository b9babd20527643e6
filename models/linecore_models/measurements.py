"""What ``metrics.json`` says: every figure that ``linecore evaluate`` measures of a model on images.

Shares are 0..1 and come with the k of n that they are, and with Wilson's 95 % interval. A part that was not asked for,
or for which the images hold nothing to measure, is None.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from linecore_models.evaluation import wilson_interval
from linecore_models.manifest import Agreement, Count, Metrics, PartName, VariantName

SCHEMA_VERSION: Literal[1] = 1

ROUNDING = 1e-9


def _without_rounding(value: float) -> float:
    return min(max(value, 0.0), 1.0) if -ROUNDING < value < 1 + ROUNDING else value


# A mean of ones may come to a last digit more than one.
Share = Annotated[float, BeforeValidator(_without_rounding), Field(ge=0, le=1)]
RunnerName = VariantName | Literal["keras"]
Part = Literal["test", "validation", "train", "all"]
Outcome = Literal["right", "wrong", "escape", "overkill"]
Interval = Annotated[tuple[float, float], Field(description="Wilson, 95 %")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Proportion(_Section):
    """k of n."""

    k: Count
    n: int = Field(gt=0)
    share: Share
    interval: Interval

    @classmethod
    def of(cls, k: int, n: int) -> Self:
        """Return *k* of *n* with its share and interval."""
        return cls(k=k, n=n, share=k / n, interval=wilson_interval(k, n))


class LabelCurve(_Section):
    """How well a label's probability tells its frames from the rest."""

    positives: int = Field(gt=0)
    negatives: int = Field(gt=0)
    auc: Share = Field(description="area under the one-vs-rest ROC curve")
    average_precision: Share


class ConfidenceBin(_Section):
    """The frames whose confidence lies in [low, high)."""

    low: Share
    high: Share
    frames: Count
    confidence: Share | None = Field(description="mean; None where there is no frame")
    accuracy: Share | None


class Calibration(_Section):
    """Whether confidence means what it says."""

    temperature: float
    ece: Share = Field(description="expected calibration error")
    negative_log_likelihood: float = Field(description="mean of -log of the true label's probability")
    confidence: Share = Field(description="mean over the frames, to be compared with the accuracy")
    bins: tuple[ConfidenceBin, ...]


class StressRow(_Section):
    """All frames under one condition at one severity."""

    condition: str
    severity: str
    accuracy: Proportion
    escapes: Proportion | None = Field(description="of the frames with a defect")
    passed: Proportion | None = Field(None, description="defects that pass where a person looks below min_confidence")
    overkill: Proportion | None = Field(description="of the frames of good product")
    confidence: Share = Field(description="mean, of the labels that were answered")
    ece: Share


class Stress(_Section):
    """The stress table."""

    clean: StressRow
    rows: tuple[StressRow, ...]
    mean: Share = Field(description="accuracy, averaged over the conditions; clean is not among them")
    worst: str = Field(description="condition and severity of the lowest accuracy")
    worst_accuracy: Proportion
    escapes: Proportion | None = Field(description="of the frames with a defect, all conditions together")
    passed: Proportion | None = Field(
        None, description="of these, where a person looks below the bundle's min_confidence"
    )
    overkill: Proportion | None
    hardest: dict[str, Count] = Field(
        {}, description="frame that is wrong under some condition -> under how many, the most first"
    )


class GoodSteel(_Section):
    """Box-free windows of the images, mirrored out: product that is taken for good, judged as it is served."""

    least_share: Share = Field(description="of the image's shorter side, that both sides of a window have at least")
    overkill: Proportion = Field(description="given a defect's label")
    rejected: Proportion | None = Field(
        None, description="a FAIL where a person looks below the bundle's min_confidence; None where it has none"
    )
    by_label: dict[str, Count] = Field(description="defect label -> windows that were given it")
    by_class: dict[str, Proportion] = Field({}, description="class of the image around -> given a defect's label")
    spread: tuple[str, ...] = Field((), description="classes whose boxes leave out what looks the same")
    elsewhere: Proportion | None = Field(None, description="overkill on the windows of images of the other classes")
    ece: Share = Field(description="expected calibration error of the evaluated frames and these windows together")


class Pointing(_Section):
    """How well heat maps point, on average."""

    images: int = Field(gt=0)
    hit: Share = Field(description="pointing game: share of the images whose hottest pixel lies in a true box")
    energy: Share = Field(description="share of the heat that lies in the true boxes")
    mask_iou: Share = Field(description="intersection over union of the regions' pixels and the true boxes")
    box_iou: Share = Field(description="of the regions' boxes, merged, and the true boxes")
    chance: Share = Field(description="share of the image in true boxes: what even heat gets for hit and energy")


class Ablation(_Section):
    """Whether the answer rests on the hottest pixels: areas under the curves of the label's probability."""

    images: int = Field(gt=0)
    insertion: Share = Field(description="hottest pixels shown first; higher is better")
    deletion: Share = Field(description="hottest pixels hidden first; lower is better")
    random_insertion: Share = Field(description="the same with a random map")
    random_deletion: Share


class Randomised(_Section):
    """How alike class maps still are after part of the network was made random, from the head down."""

    layer: str = Field(description="the deepest layer that is random")
    layers: int = Field(gt=0, description="that are random")
    correlation: float = Field(description="Spearman's, of the class maps; 1 for the same order of cells")
    similarity: float = Field(description="SSIM of the heat maps; 1 for the same picture")


class HeatMaps(_Section):
    """Whether heat maps lie where the defects are, and show what the answer rests on."""

    hits: Proportion | None = Field(description="images whose hottest pixel lies in a true box of the answered label")
    labels: dict[str, Pointing] = Field({}, description="true label -> mean over its images with boxes")
    mean: Pointing | None = Field(None, description="over the labels, each counted once")
    ablation: Ablation | None = None
    randomised: tuple[Randomised, ...] = Field((), description="empty where the bundle holds no Keras model")


class Novel(_Section):
    """How well novelty tells one folder of other surfaces from the evaluated frames."""

    folder: str
    frames: int = Field(gt=0)
    auroc: Share
    false_positives: Proportion = Field(description="known frames called novel, at 95 % of the others caught")
    caught: Proportion | None = Field(description="called novel at the bundle's own threshold")
    passed: Proportion | None = Field(description="given a pass label, whatever their novelty")


class Novelty(_Section):
    """Whether the model notices that it looks at something else."""

    method: str
    folders: tuple[Novel, ...]
    together: Novel
    threshold: float | None = Field(description="quantile above which the bundle would ask a person")
    known_called_novel: Proportion | None = Field(description="evaluated frames above the threshold")


class ThresholdPoint(_Section):
    """What comes of asking a person whenever confidence is below a threshold."""

    min_confidence: Share = Field(description="of any label")
    min_pass_confidence: Share = Field(description="of a pass label; never under min_confidence")
    escapes: Proportion | None = Field(description="defects that pass, of the frames with a defect")
    overkill: Proportion | None = Field(description="good product that is rejected, of the frames of it")
    reviewed: Proportion = Field(description="frames that a person looks at")
    cost: float = Field(description="expected, of a frame, in the unit of the costs")


class Thresholds(_Section):
    """The thresholds at which mistakes and looks cost least: chosen on some frames, tried on the evaluated ones."""

    escape_cost: float
    overkill_cost: float
    review_cost: float
    defect_share: Share | None = Field(description="of a line's frames; None: as in the frames that were chosen by")
    chosen_by: Literal["validation", "evaluated"] = Field(description="whose frames chose")
    under_conditions: bool = Field(description="whether some of these frames were under line conditions")
    chosen: ThresholdPoint = Field(description="one threshold for all labels, on the frames that chose it")
    stricter_pass: ThresholdPoint = Field(description="where a PASS may ask for more")
    tried: ThresholdPoint = Field(description="the chosen threshold on the evaluated frames, as they are")
    curve: tuple[ThresholdPoint, ...] = Field(description="one threshold for all labels, rising")


class Finding(_Section):
    """Something about the data that makes the figures less trustworthy."""

    kind: str
    sentence: str
    files: tuple[str, ...]
    parts: tuple[PartName, ...] = Field((), description="of the split, that these files are in; none was left out")


class FrameAnswer(_Section):
    """What the model said of one frame."""

    name: str
    truth: str
    answer: str
    confidence: Share
    loss: float = Field(description="-log of the true label's probability")
    outcome: Outcome


class Measurements(_Section):
    """All of metrics.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    model: str
    version: str
    variant: RunnerName
    sha256: str = Field(description="of the file that ran")
    split: Part = Field(description="which of the images: those that model.json names for it, or all")
    measured: datetime
    seconds: float = Field(description="that the measuring took")
    labels: tuple[str, ...]
    pass_labels: tuple[str, ...]
    metrics: Metrics
    interval: Interval
    escapes: Proportion | None = Field(description="defects given a pass label, of the frames with a defect")
    overkill: Proportion | None = Field(
        description="good product given a defect's label, of the frames of good product"
    )
    curves: dict[str, LabelCurve] = Field(description="label -> one-vs-rest; labels that all frames or none carry lack")
    calibration: Calibration
    good_steel: GoodSteel | None = None
    stress: Stress | None = None
    heat_maps: HeatMaps | None = None
    novelty: Novelty | None = None
    thresholds: Thresholds | None = None
    integrity: tuple[Finding, ...] | None = None
    seen: int = Field(0, description="frames that may have taught a model that this one was learnt from")
    against: RunnerName | None = None
    agreement: Agreement | None = None
    frames: tuple[FrameAnswer, ...] = Field((), description="the highest loss first, escapes before all others")
