from __future__ import annotations

from pathlib import Path

from rich.console import Console

from linecore_models.boxes import Box, Window
from linecore_models.datacard import data_card, data_sentences, data_table
from linecore_models.dataset import LabelledImage
from linecore_models.division import Division
from linecore_models.integrity import Alike, Integrity, Unreadable
from linecore_models.manifest import DataCard, Dataset
from tests.bundles import tiny_manifest


def image(name: str, label: str = "scratches", boxes: tuple[Box, ...] | None = None) -> LabelledImage:
    return LabelledImage(Path(f"/neu/{label}/{name}.png"), "neu", label, boxes=boxes)


BOX = Box(0, 0, 2, 2, "scratches")
MINED = LabelledImage(Path("/neu/scratches/a.png"), "neu", "ok", Window(2, 0, 9, 9), ())
A, B, C, D, E = (image(name, boxes=(BOX, BOX)) for name in "abcde")
FOUND = Integrity(
    unreadable=(Unreadable(E, "it is broken"),),
    exact=(Alike(A, B, ("train", "test"), 1.0, exact=True),),
    near=(
        Alike(C, B, ("validation", "test"), 0.8, exact=False),
        Alike(D, image("f", "patches"), ("test", "validation"), 0.7, exact=False),
    ),
    indistinct=(D,),
)
CARD = data_card(Division((A, MINED), (image("f", "patches"),), (B, D)), FOUND, (C,))


def test_a_card_sums_the_data_up() -> None:
    assert CARD.counts == {
        "ok": {"train": 1, "validation": 0, "test": 0},
        "patches": {"train": 0, "validation": 1, "test": 0},
        "scratches": {"train": 1, "validation": 0, "test": 2},
    }
    assert CARD.boxes == {"scratches": 6}
    assert CARD.good_steel == {"train": 1, "validation": 0, "test": 0}
    assert CARD.unreadable == ("neu/scratches/e.png",)
    assert CARD.exact_duplicates == (("neu/scratches/a.png", "neu/scratches/b.png"),)
    assert CARD.near_duplicates == {"validation and test": 2}
    assert CARD.contradictions == (("neu/scratches/d.png", "neu/patches/f.png"),)
    assert CARD.indistinct == 1
    assert CARD.left_out == ("neu/scratches/c.png",)


def test_a_card_stands_in_model_json_and_older_bundles_have_none() -> None:
    assert DataCard.model_validate_json(CARD.model_dump_json()) == CARD
    assert Dataset(hash="a" * 64, counts={}, sources=()).card is None


def test_a_table_shows_images_by_part_with_their_boxes() -> None:
    console = Console(width=100)
    with console.capture() as told:
        console.print(data_table(Dataset(hash="abcdef0123456789", counts={}, sources=(), card=CARD)))
    lines = [line.split() for line in told.get().splitlines() if line.strip()]
    assert lines[0] == ["data", "abcdef012345"]
    assert lines[1] == ["class", "train", "validation", "test", "together", "boxes"]
    assert ["ok", "1", "0", "0", "1", "0"] in lines
    assert ["scratches", "1", "0", "2", "3", "6"] in lines


def test_files_that_judge_and_may_have_taught_a_model_to_learn_from_are_listed() -> None:
    """Of a window, its file; of what trains, nothing."""
    finished = tiny_manifest({})
    data = finished.data.model_copy(update={"folders": {"neu": "a" * 64}})
    split = finished.split.model_copy(update={"files": {"validation": (), "test": ("neu/scratches/d.png",)}})
    finished = finished.model_copy(update={"data": data, "split": split})
    card = data_card(Division((A,), (image("f", "patches"), MINED), (B, D)), FOUND, (C,), [finished, finished])
    assert card.seen == ("neu/patches/f.png", "neu/scratches/a.png", "neu/scratches/b.png")
    assert list(data_sentences(card))[-1] == (
        "3 images to validate or test with may have taught a model that this one learns from: figures are too good by "
        "that; give the data, --split and --seed of that model, or learn from another"
    )


def test_what_a_person_must_know_is_a_sentence_each() -> None:
    assert list(data_sentences(CARD)) == [
        "good steel was mined between the boxes: 1 window to train, 0 windows to validate, 0 windows to test with",
        *(
            f"no image of {label} validates, so that nothing says how sure of it to be; collect more, give another "
            "--seed or, where it was mined, bring photographs of it"
            for label in ("ok", "scratches")
        ),
        "1 file cannot be read, the first is neu/scratches/e.png",
        "1 pair of images has the same pixels, the first is neu/scratches/a.png and neu/scratches/b.png",
        "1 picture stands under two labels, of which one may be wrong: the first is neu/scratches/d.png and "
        "neu/patches/f.png",
        "2 pairs of images in validation and test show much of the same",
        "1 image resembles so many of its class that copies cannot be told from it; use --split FILE.csv:COLUMN where "
        "images belong together",
        "1 image is left out of training or validation, for it shows what judges it",
    ]


def test_data_without_faults_needs_no_sentence() -> None:
    assert list(data_sentences(DataCard(counts={"ok": {"train": 1, "validation": 1}}))) == []
