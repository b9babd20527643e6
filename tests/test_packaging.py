"""What a wheel puts into site-packages."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    packages = {name for name in top if not name.endswith(".dist-info")}
    assert packages == {"linecore", "linecore_plugins", "linecore_models", "linecore_db"}


def test_the_wheel_holds_the_model_the_migrations_and_the_types(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "linecore_models/bundles/neu/model.json" in names
    for file in ("model.int8.tflite", "model.float16.tflite", "novelty.npz"):
        assert f"linecore_models/bundles/neu/{file}" in names
    assert "linecore_models/templates/report.html.j2" in names
    assert any(name.startswith("linecore_db/migrations/versions/") for name in names)
    assert "linecore/py.typed" in names


def test_no_file_of_the_wheel_is_heavy(wheel: zipfile.ZipFile) -> None:
    assert max(entry.file_size for entry in wheel.infolist()) < 5_000_000


def test_versions_are_pinned_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert all("==" in line and "/" not in line for line in lines)
