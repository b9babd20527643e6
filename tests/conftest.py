"""What tests of several packages share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from tests.bundles import tiny_bundle as tiny_bundle

ROOT = Path(__file__).parent.parent
NEU_CLASSES = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip on a user's machine; in CI what is missing is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def neu_folder() -> Path:
    """Return the folder of the real NEU images, one folder a class."""
    folder = Path(os.environ.get("LINECORE_NEU", ROOT / ".." / "shared" / "data" / "neu")).resolve()
    if not all((folder / name).is_dir() for name in NEU_CLASSES):
        skip_or_fail(f"the NEU images are not at {folder}; set LINECORE_NEU to their folder")
    return folder


@pytest.fixture(scope="session")
def neu() -> Path:
    """The folder of the real NEU images."""
    return neu_folder()
