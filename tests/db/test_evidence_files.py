from pathlib import Path

import pytest

from linecore_db.evidence_files import EvidenceFolders, Removed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of evidence with one file, deep in it."""
    deep = tmp_path / "evidence" / "line" / "day"
    deep.mkdir(parents=True)
    (deep / "a.png").write_bytes(b"123")
    return tmp_path / "evidence"


def test_a_file_is_removed_once(folder: Path) -> None:
    folders = EvidenceFolders([folder])
    path = str(folder / "line" / "day" / "a.png")
    identity = (found := Path(path).stat()).st_dev, found.st_ino
    assert folders.remove(path, dry_run=True) == Removed(True, 3, identity=identity)
    assert folders.remove(path) == Removed(True, 3, identity=identity)
    assert folders.remove(path) == Removed(True, None)
    assert (folder / "line" / "day").is_dir()


def test_relative_paths_count_from_where_the_program_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert EvidenceFolders([Path("evidence")]).remove("evidence/line/day/a.png").size == 3


def test_a_folder_may_be_named_by_a_link(folder: Path) -> None:
    """The person who names the folder may; a row may not."""
    link = folder.with_name("link")
    link.symlink_to(folder)
    assert EvidenceFolders([link]).remove(str(folder / "line" / "day" / "a.png"), dry_run=True).gone
    assert EvidenceFolders([link]).remove(str(link / "line" / "day" / "a.png")).size == 3


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "{folder}",
        "{folder}x/a.png",
        "{folder}/../precious",
        "{folder}/line/../../precious",
        "",
        "a\0b",
    ],
)
def test_nothing_outside_is_removed(folder: Path, path: str) -> None:
    precious = folder.with_name("precious")
    precious.write_text("mine")
    removed = EvidenceFolders([folder]).remove(path.format(folder=folder))
    assert not removed.gone
    assert removed.reason
    assert precious.exists()
    assert folder.is_dir()


def test_no_link_is_followed(folder: Path) -> None:
    precious = folder.with_name("precious")
    precious.mkdir()
    (precious / "a.png").write_text("mine")
    (folder / "sideways").symlink_to(precious)
    (folder / "link.png").symlink_to(precious / "a.png")
    folders = EvidenceFolders([folder])
    for path in (folder / "sideways" / "a.png", folder / "link.png", folder / "line"):
        assert not folders.remove(str(path)).gone
    assert (precious / "a.png").exists()


def test_without_a_folder_nothing_is_removed(folder: Path) -> None:
    removed = EvidenceFolders([]).remove(str(folder / "line" / "day" / "a.png"))
    assert removed == Removed(False, reason="it lies outside the evidence folders")


@pytest.mark.parametrize(("mode", "owner", "gone"), [(0o1777, 4711, False), (0o777, 4711, True), (0o1777, 0, True)])
def test_a_rehearsal_sees_that_only_its_owner_removes_a_file_from_a_sticky_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, gone: bool
) -> None:
    deep = folder / "line" / "day"
    deep.chmod(mode)
    monkeypatch.setattr("linecore_db.evidence_files.os.geteuid", lambda: owner)
    removed = EvidenceFolders([folder]).remove(str(deep / "a.png"), dry_run=True)
    assert (removed.gone, removed.size) == (gone, 3)


def test_a_name_that_no_file_can_have_is_a_reason(folder: Path) -> None:
    removed = EvidenceFolders([folder]).remove(str(folder / "line" / "a\0b"))
    assert (removed.gone, removed.reason) == (False, "embedded null byte")
