from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from linecore_models.box_files import with_boxes
from linecore_models.bundle import Bundle, load_bundle
from linecore_models.dataset import read_folders
from linecore_models.exhibits import Exhibits
from linecore_models.inquiry import Inquiry, evaluate_bundle
from linecore_models.measurements import Measurements
from linecore_models.report import render
from tests.models.judged import StandingClock, write_boxes, write_judged

VOID = {"meta", "img", "br", "path", "use", "rect", "circle", "line"}


class Page(HTMLParser):
    """Reads a page, and what it would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.headings: list[str] = []
        self.pictures = 0
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            target = found.get(name) or ""
            if target and not target.startswith(("#", "data:")):
                self.loads.append(target)
        if tag == "img":
            self.pictures += 1
            assert found["alt"], "a picture that says nothing to who cannot see it"
            assert found["width"], "a page that jumps while it loads"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        self.words.append(text)
        if self.open and self.open[-1] == "h2":
            self.headings.append(text)


@pytest.fixture(scope="module")
def judgement(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurements, Exhibits]:
    """All that can be measured, of a tiny bundle whose makers warn of something."""
    folder = tmp_path_factory.mktemp("judged")
    images = read_folders([write_judged(folder / "plates", good=False)])
    others = folder / "<b>others"
    others.mkdir()
    cv2.imwrite(str(others / "1.png"), np.full((200, 200), 255, np.uint8))
    bundle = load_bundle(tiny_bundle)
    bundle = Bundle(bundle.folder, bundle.manifest.model_copy(update={"limits": ("Plates & nothing else.",)}))
    inquiry = Inquiry("all", "float32", stress=True, heat_maps=True, unknown=(others,), integrity=True)
    return evaluate_bundle(
        bundle, with_boxes(images, write_boxes(folder / "boxes.csv")), inquiry, clock=StandingClock()
    )


@pytest.fixture(scope="module")
def page(judgement: tuple[Measurements, Exhibits]) -> str:
    return render(*judgement)


def test_the_page_is_whole_and_loads_nothing(page: str) -> None:
    read = Page(page)
    assert read.open == []
    assert read.loads == []
    assert not re.search(r"@import|url\((?!#)", page)
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)  # the names of SVG's namespaces load nothing


def test_the_answer_comes_first_and_the_worst_before_the_rest(page: str) -> None:
    assert Page(page).headings == [
        "The answer",
        "Worst first",
        "What it gets right, label by label",
        "Steel that no box touches",
        "Under the conditions of a line",
        "Does its confidence mean what it says?",
        "Do heat maps show the defect?",
        "Does it notice other surfaces?",
        "When should a person be asked?",
        "The data",
        "What right looks like",
        "How to read this",
    ]
    assert page.index("Escape: scratches called ok") < page.index("patches called scratches")


def test_the_page_says_what_was_measured(page: str, judgement: tuple[Measurements, Exhibits]) -> None:
    words = " ".join(" ".join(Page(page).words).split())
    assert "tiny 1.0.0: do not trust it everywhere" in words
    assert "It lets 1 of 5 defects (20.0 %, 95 % interval 3.6 to 62.4 %) pass as good." in words
    assert "measured 2026-03-01 12:00 UTC" in words
    assert "Plates & nothing else." in words
    stress = judgement[0].stress
    assert stress is not None
    assert words.count(" of 5 ") > len(stress.rows)
    (name, count), *_ = stress.hardest.items()
    assert (
        f"{len(stress.hardest)} of 5 frames are wrong under some condition; the most often: {name} under {count}"
        in words
    )


def test_names_from_outside_cannot_become_markup(page: str) -> None:
    assert "<b>others" not in page
    assert "&lt;b&gt;others" in page


def test_the_same_figures_give_the_same_page(page: str, judgement: tuple[Measurements, Exhibits]) -> None:
    assert render(*judgement) == page


def test_wrong_frames_and_right_ones_are_shown(page: str) -> None:
    assert Page(page).pictures >= 5
    assert page.count('<figure class="exhibit escape">') == 1
    assert page.count('<figure class="exhibit wrong">') == 1
    assert page.count('<figure class="exhibit right">') == 3


def test_what_was_not_measured_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    images = read_folders([write_judged(tmp_path / "plates", good=False)])
    found, exhibits = evaluate_bundle(
        load_bundle(tiny_bundle), images, Inquiry("all", "float32"), clock=StandingClock()
    )
    words = " ".join(" ".join(Page(render(found, exhibits)).words).split())
    assert (
        "Not measured: where heat maps point (--boxes); line conditions (--stress); other surfaces (--unknown DIR); "
        "overkill (a folder of good product, or --boxes)." in words
    )
