"""The heat map of the model that ships: the one without gradients is the one by gradient tape."""

from pathlib import Path

import numpy as np
import pytest

from linecore.config import LineSettings
from linecore.inspection import Decision, Explanation
from linecore.testing import Images, Recorder, make_line, run
from linecore_plugins.gradcam import GradcamExplainer
from linecore_plugins.keras import KerasClassifier

TOLERANCE = 1e-4


def explanations(method: str, files: list[bytes]) -> list[Explanation]:
    options = {"method": method} | ({"model": "neu"} if method == "gradient" else {})
    sink = Recorder()
    plugins = {
        "images": Images(files),
        "keras": KerasClassifier(KerasClassifier.Config(model="neu")),
        "gradcam": GradcamExplainer(GradcamExplainer.Config.model_validate(options)),
        "sink": sink,
    }
    run(make_line(plugins, settings=LineSettings(name="test", workers=1, explain=tuple(Decision))))
    found = [one.explanation for one in sink.inspections]
    assert len(found) == len(files)
    assert all(found)
    return [one for one in found if one is not None]


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_the_map_without_gradients_is_the_map_by_gradient_tape_on_real_steel(neu: Path) -> None:
    files = [
        path.read_bytes() for label in sorted(neu.iterdir()) if label.is_dir() for path in sorted(label.iterdir())[:5]
    ]
    assert len(files) == 30
    differences = [
        float(np.abs(one.heatmap - other.heatmap).max())
        for one, other in zip(explanations("class_maps", files), explanations("gradient", files), strict=True)
    ]
    assert max(differences) <= TOLERANCE, max(differences)
    assert sum(one.heatmap.any() for one in explanations("class_maps", files)) >= 25
