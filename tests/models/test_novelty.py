from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linecore.errors import ModelError
from linecore_models.novelty import LEVELS, Centres, Distances, Looks, Novelty, Spectrum, of_length_one
from linecore_models.spectrum import BANDS

CENTRES = Centres(
    axes=np.array([[2.0, 0.0], [0.0, 4.0]], np.float32),
    means=np.array([[2.0, 0.0], [0.0, 4.0]], np.float32),  # of (1, 0) and (0, 1)
)
OF_ZERO = Centres(axes=np.eye(BANDS, dtype=np.float32), means=np.zeros((1, BANDS), np.float32))
BY_HAND = Novelty(CENTRES, knots=LEVELS * 2, spectrum=Spectrum(OF_ZERO, border=1.5))


def looks(*embeddings: tuple[float, float], band: float = 0.0) -> Looks:
    """Return frames whose first band is *band*, and whose others are 0."""
    bands = np.zeros((len(embeddings), BANDS), np.float32)
    bands[:, 0] = band
    return Looks(np.array(embeddings, np.float32), bands)


def test_the_distance_is_to_the_nearest_label() -> None:
    # (3, 4) is (0.6, 0.8) at length 1 and (1.2, 3.2) on the axes: (-0.8, 3.2) from the first, (1.2, -0.8) the second.
    expected = [0, 0, np.sqrt(1.44 + 0.64), 2]
    np.testing.assert_allclose(BY_HAND.distances(looks((5, 0), (0, 0.1), (3, 4), (0, 0))), expected, atol=1e-6)


def test_a_spectrum_decides_beyond_its_border_alone() -> None:
    near, far = (1, 0), (-1, 0)  # 0 and 4 at length 1, on the axes, from the nearer
    assert BY_HAND.distances(looks(near, band=1.5)).tolist() == [0]
    assert BY_HAND.distances(looks(near, band=-1.75)).tolist() == [1.75]
    assert BY_HAND.distances(looks(far, band=1.75)) == pytest.approx(4)


def test_joined_frames_keep_what_is_theirs() -> None:
    both = looks((1, 0), band=1.0).joined(looks((0, 1), band=3.0))
    assert (len(both), both.bands[:, 0].tolist()) == (2, [1.0, 3.0])
    assert both.embedding.tolist() == [[1, 0], [0, 1]]


def test_the_quantile_is_read_between_the_knots() -> None:
    quantiles = BY_HAND(looks((1, 0), (3, 4), (-1, 0)))
    np.testing.assert_allclose(quantiles, [0, np.sqrt(2.08) / 2, 1], atol=1e-6)


def test_one_frame_is_as_novel_as_it_is_among_others() -> None:
    rng = np.random.default_rng(0)
    square, embedding = rng.integers(256, size=(64, 64, 1)).astype(np.float32), np.array([3, 4], np.float32)
    assert BY_HAND.of_frame(embedding, square) == BY_HAND(Looks.of(embedding[np.newaxis], [square]))[0] == 1
    without = Novelty(CENTRES, LEVELS * 2)
    assert without.of_frame(embedding, square) == pytest.approx(np.sqrt(2.08) / 2)


def test_quantiles_are_finer_where_limits_are_set() -> None:
    assert (LEVELS[0], LEVELS[-1]) == (0, 1)
    assert (np.diff(LEVELS) > 0).all()
    for limit in (0.5, 0.99, 0.995, 0.999, 0.9999):
        assert np.abs(LEVELS - limit).min() < 1e-9


def test_what_is_no_number_is_never_familiar() -> None:
    for band in (0.0, 9.0):
        assert np.isnan(BY_HAND(looks((np.nan, 1), band=band))).all()


def test_length_one() -> None:
    scaled = of_length_one(np.array([[3, 4], [0, 0]], np.float32))
    assert scaled.ravel().tolist() == pytest.approx([0.6, 0.8, 0, 0])


def test_what_is_written_is_read_and_answers_alike(tmp_path: Path) -> None:
    BY_HAND.write(tmp_path / "novelty.npz")
    read = Novelty.read(tmp_path / "novelty.npz")
    rng = np.random.default_rng(0)
    seen = Looks(rng.random((20, 2), np.float32), 2 * rng.random((20, BANDS), np.float32))
    np.testing.assert_array_equal(read(seen), BY_HAND(seen))


def test_a_bundle_from_before_there_were_spectra_goes_on_as_it_did(tmp_path: Path) -> None:
    np.savez(tmp_path / "novelty.npz", axes=CENTRES.axes.astype(np.float16), centres=CENTRES.means, knots=LEVELS * 2)
    read = Novelty.read(tmp_path / "novelty.npz")
    assert read(looks((3, 4), band=9)) == pytest.approx(np.sqrt(2.08) / 2)
    read.write(tmp_path / "again.npz")
    assert Novelty.read(tmp_path / "again.npz").spectrum is None


def test_other_embeddings_are_refused() -> None:
    BY_HAND.require(2)
    with pytest.raises(ModelError, match="statistics are of 2 features, its embedding has 192; export"):
        BY_HAND.require(192)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04N."], ids=["empty", "archive", "pickle"])
def test_a_file_of_something_else_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "novelty.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"novelty\.npz holds no novelty statistics \(.+\); export") as raised:
        Novelty.read(path)
    assert "\n" not in str(raised.value)


def test_pickled_arrays_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "novelty.npz"
    np.savez(path, axes=np.array([{}], object), centres=np.zeros((1, 1)), knots=LEVELS)
    with pytest.raises(ModelError, match="holds no novelty statistics"):
        Novelty.read(path)


@pytest.mark.parametrize(
    ("centres", "knots"),
    [(np.zeros((2, 3)), LEVELS), (np.zeros(2), LEVELS), (np.zeros((2, 2)), np.zeros(3))],
    ids=["other axes", "flat", "other levels"],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, centres: Distances, knots: Distances) -> None:
    path = tmp_path / "novelty.npz"
    np.savez(path, axes=CENTRES.axes, centres=centres, knots=knots)
    with pytest.raises(ModelError, match="holds novelty statistics of another make"):
        Novelty.read(path)


def test_a_spectrum_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "novelty.npz"
    of_four = Spectrum(Centres(np.eye(4), np.zeros((1, 4))), border=1.0)
    Novelty(CENTRES, LEVELS, of_four).write(path)
    with pytest.raises(ModelError, match="holds novelty statistics of another make"):
        Novelty.read(path)
    Novelty(CENTRES, LEVELS, Spectrum(OF_ZERO, border=np.zeros(2))).write(path)  # type: ignore[arg-type]  # as it says
    with pytest.raises(ModelError, match="holds no novelty statistics"):
        Novelty.read(path)


@pytest.mark.parametrize("degree", [None, 2])
def test_light_that_was_measured_otherwise_is_refused(tmp_path: Path, degree: int | None) -> None:
    path = tmp_path / "novelty.npz"
    BY_HAND.write(path)
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays if name != "band_degree"}
    np.savez(path, **kept, **({"band_degree": np.array(degree)} if degree else {}))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="holds novelty statistics of another make; export the model again"):
        Novelty.read(path)


def test_a_file_that_lacks_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "novelty.npz"
    np.savez(path, axes=CENTRES.axes)
    with pytest.raises(ModelError, match="holds no novelty statistics"):
        Novelty.read(path)
