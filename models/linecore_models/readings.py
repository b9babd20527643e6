"""What is seen on box-free steel: boxes leave defects out, and a window is taken for good all the same.

A reading is of the window alone, without the picture around it and without what the model says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from linecore.errors import ConfigError
from linecore_models.csv_table import read_csv
from linecore_models.exhibits import Exhibits
from linecore_models.measurements import Proportion

DEFECT, GOOD, UNSURE = "defect", "good", "unsure"

KINDS = {(DEFECT, DEFECT): "a defect in both readings", (GOOD, GOOD): "good in both readings"}

OTHERWISE = "unsure, or the two differ"


def read_readings(path: Path) -> Mapping[str, str]:
    """Return what was seen on each window, by its name, from a table with the columns window, first and second.

    Raises:
        ConfigError: it cannot be read, names a window twice, or a cell is none of defect, good and unsure.
    """
    kinds: dict[str, str] = {}
    for line, cells in read_csv(path, ("window", "first", "second")):
        pair = cells["first"], cells["second"]
        for one in pair:
            if one not in {DEFECT, GOOD, UNSURE}:
                raise ConfigError(f"{path}, line {line}: {one!r} is no reading; it takes {DEFECT}, {GOOD} or {UNSURE}")
        if cells["window"] in kinds:
            raise ConfigError(f"{path}, line {line}: {cells['window']} stands there twice")
        kinds[cells["window"]] = KINDS.get(pair, OTHERWISE)
    return kinds


def rejected_by_reading(exhibits: Exhibits, kinds: Mapping[str, str]) -> dict[str, Proportion]:
    """Return how many of the box-free windows are called a defect, by what was seen on them.

    Raises:
        ConfigError: there is a window that was not read.
    """
    names = [window.name for window in exhibits.windows]
    if missing := [name for name in names if name not in kinds]:
        raise ConfigError(
            f"--readings has nothing of {len(missing)} of the {len(names)} windows, the first is {missing[0]}; have "
            "them read too"
        )
    rejected = exhibits.windows_rejected
    seen = np.array([kinds[name] for name in names])
    return {
        kind: Proportion.of(int(rejected[seen == kind].sum()), int((seen == kind).sum()))
        for kind in (*KINDS.values(), OTHERWISE)
        if kind in seen
    }
