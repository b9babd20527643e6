from __future__ import annotations

import pytest
from pydantic import ValidationError

from linecore_models.measurements import LabelCurve, Proportion


def curve(average_precision: float) -> LabelCurve:
    return LabelCurve(positives=1, negatives=1, auc=1.0, average_precision=average_precision)


def test_a_proportion_knows_its_share_and_how_sure_that_is() -> None:
    found = Proportion.of(29, 29)
    assert (found.k, found.n, found.share) == (29, 29, 1.0)
    assert found.interval == pytest.approx((0.8830, 1.0), abs=5e-5)


def test_rounding_is_no_mistake_and_anything_more_is() -> None:
    assert curve(1.0000000000000002).average_precision == 1.0
    assert curve(-1e-17).average_precision == 0.0
    with pytest.raises(ValidationError):
        curve(1.001)
    with pytest.raises(ValidationError):
        curve(float("nan"))


def test_unknown_figures_are_refused() -> None:
    with pytest.raises(ValidationError):
        Proportion.model_validate({"k": 1, "n": 2, "share": 0.5, "interval": (0.1, 0.9), "mean": 0.5})
