"""Explains a classification by Grad-CAM: where on the frame the network saw what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from linecore.errors import MissingExtraError, ModelError
from linecore.hookspecs import hookimpl
from linecore.inspection import Classification, Explanation, FloatArray, Frame
from linecore_models.heatmap import MIN_AREA, REGION_THRESHOLD, heatmap, segment

if TYPE_CHECKING:
    from linecore.line import Line
    from linecore_plugins.gradient import GradientMaps


class GradcamExplainer:
    """Explains by Grad-CAM: from the class maps of the classification, or by gradient from a Keras model.

    Both are the same map where the network's head is a 1x1 convolution and global average pooling, as in linecore's
    own models.
    """

    class Config(BaseModel):
        """Options of the table in line.toml."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        method: Literal["auto", "class_maps", "gradient"] = Field(
            "auto", description="auto: class maps where the classifier gives them, else gradient where a model is named"
        )
        model: str | None = Field(
            None, description="for the gradient: a bundled model, the folder of your own, or a .keras file"
        )
        layer: str | None = Field(
            None, description="for the gradient: whose feature maps are weighed; unset: the last layer that has them"
        )
        region_threshold: float | None = Field(
            None,
            gt=0,
            le=1,
            description="share of the hottest point from which on a pixel belongs to a region; "
            "unset: what the model measured, else 0.5",
        )
        min_area: int = Field(MIN_AREA, ge=1, description="pixels of the frame; smaller regions are left out")

        @model_validator(mode="after")
        def _gradient_has_a_model(self) -> Self:
            if self.method == "gradient" and self.model is None:
                raise ValueError("the method 'gradient' needs a Keras model; set model")
            if self.method == "class_maps" and self.model is not None:
                raise ValueError("the method 'class_maps' uses no model; leave model out, or set method to 'gradient'")
            if self.layer is not None and self.model is None:
                raise ValueError("layer names a layer of a Keras model; set model, too")
            return self

    def __init__(self, config: Config) -> None:
        self._config = config
        self._gradient: GradientMaps | None = None
        self._good: frozenset[str] = frozenset()  # labels in which there is no defect to be framed

    @hookimpl
    def start(self, line: Line) -> None:
        """Learn what good product is called, and load the Keras model, where one is named."""
        self._good = frozenset(line.pass_labels)
        if self._config.model is None:
            return
        key = f"plugins.{line.plugin_name(self)}"
        try:
            from linecore_plugins.gradient import GradientMaps
        except ModuleNotFoundError as error:
            if error.name not in ("keras", "tensorflow"):
                raise
            raise MissingExtraError(f"{key}.model needs tensorflow: pip install 'linecore[train]'") from None
        try:
            self._gradient = GradientMaps(self._config.model, self._config.layer, line.folder)
        except ModelError as error:
            raise ModelError(f"{key}.model: {error}") from None

    @hookimpl
    def explain(self, frame: Frame, classification: Classification) -> Explanation | None:
        """Make the heat map for the classification's label."""
        class_map = None if self._config.method == "gradient" else classification.class_maps.get(classification.label)
        if class_map is not None:
            return self._explanation(frame, classification, class_map, "class_maps")
        if self._gradient is not None:
            class_map = self._gradient.class_map(frame.image, classification)
            return self._explanation(frame, classification, class_map, "gradient")
        return None

    def _explanation(
        self, frame: Frame, classification: Classification, class_map: FloatArray, method: str
    ) -> Explanation:
        hot = heatmap(class_map, frame.image.shape)
        if classification.label in self._good:
            return Explanation(hot, method, classification.label, mask=np.zeros(hot.shape, np.uint8))
        threshold = self._config.region_threshold or classification.region_threshold or REGION_THRESHOLD
        found, mask = segment(hot, threshold, self._config.min_area)
        return Explanation(hot, method, classification.label, found, mask)
