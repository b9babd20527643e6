"""``linecore db purge``: lets old rows and files go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import click
from rich import filesize
from sqlalchemy.exc import SQLAlchemyError

from linecore.clock import SystemClock
from linecore.commands.finite import FiniteRange
from linecore.text import printable
from linecore_db.evidence_files import EvidenceFolders
from linecore_db.failures import failure
from linecore_db.options import age_option
from linecore_db.retention import Ages, Purged
from linecore_db.retention import purge as purge_history
from linecore_db.session import open_database
from linecore_db.upgrade import require_schema
from linecore_db.urls import chosen_url, evidence_folders

STUCK_SHOWN = 10
GB = 1e9
Command = TypeVar("Command", bound=Callable[..., object])


def _age(option: str, default: str, what: str) -> Callable[[Command], Command]:
    return click.option(option, default=default, show_default=True, callback=age_option, metavar="AGE", help=what)


@click.command()
@click.option("--db", "url", metavar="URL", help="The database. Default: that of line.toml in this folder.")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="The line's file that names the database."
)
@_age("--keep-pass", "30d", "How long inspections that passed stay.")
@_age("--keep-rejects", "365d", "How long FAIL, UNCERTAIN and NO_RESULT stay.")
@_age("--keep-images", "forever", "How long files stay whose inspection stays longer.")
@click.option(
    "--max-images-gb",
    type=FiniteRange(min=0),
    metavar="GB",
    help="How much the files may take, in 10^9 bytes: beyond it the oldest go, those of what passed first.",
)
@_age("--keep-alarms", "365d", "How long alarms stay that are cleared.")
@_age("--keep-log", "90d", "How long the log and dropped frames stay.")
@click.option(
    "--evidence",
    "folders",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="A folder whose files may be removed. Default: those of the line's file.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def purge(
    url: str | None,
    config: Path | None,
    keep_pass: timedelta | None,
    keep_rejects: timedelta | None,
    keep_images: timedelta | None,
    max_images_gb: float | None,
    keep_alarms: timedelta | None,
    keep_log: timedelta | None,
    folders: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Let old inspections go, their files first; what is held or was reviewed stays.

    An AGE is 12h, 30d, 52w or forever. A line may go on writing meanwhile. Exit code 1 where a file could not be
    removed, which keeps its inspection too, or where files take more than they may.

    \b
    Examples:
      linecore db purge --config line.toml --dry-run
      linecore db purge --keep-pass 7d --keep-rejects 730d --keep-images 90d
      linecore db purge --max-images-gb 200
    """
    database = chosen_url(url, config, Path.cwd())
    allowed = [*folders, *(evidence_folders(config, Path.cwd()) if url is None else [])]
    engine = open_database(database, read_only=dry_run, answer_s=None)
    max_image_bytes = None if max_images_gb is None else max_images_gb * GB
    ages = Ages(keep_pass, keep_rejects, keep_images, keep_alarms, keep_log)
    try:
        require_schema(engine)
        done = purge_history(
            engine,
            ages,
            EvidenceFolders(allowed),
            SystemClock().now(),
            max_image_bytes=max_image_bytes,
            dry_run=dry_run,
        )
    except SQLAlchemyError as error:
        raise failure(engine.url, error) from None
    finally:
        engine.dispose()
    if as_json:
        click.echo(json.dumps({**asdict(done), "dry_run": dry_run}, ensure_ascii=False))
    else:
        _say(done, dry_run)
    too_many = done.image_bytes is not None and max_image_bytes is not None and done.image_bytes > max_image_bytes
    if too_many:
        click.echo(
            f"they are more than the {max_images_gb:g} GB of --max-images-gb: what is left is held, was reviewed, is "
            "named by several inspections, or by one whose files are not all there, or cannot be removed",
            err=True,
        )
    if done.stuck or too_many:
        sys.exit(1)


def _say(done: Purged, dry_run: bool) -> None:
    verb = "would go" if dry_run else "are gone"
    click.echo(
        f"{done.inspections:,} inspections, {done.files:,} files ({done.bytes / 1e6:,.1f} MB), {done.alarms:,} alarms, "
        f"{done.log_entries:,} entries of the log and {done.dropped_frames:,} dropped frames {verb}"
    )
    if done.files_missing:
        click.echo(f"{done.files_missing:,} files were not there any more")
    if done.image_bytes is not None:
        click.echo(f"files that stay take {filesize.decimal(done.image_bytes)}")
    if done.held or done.reviewed:
        click.echo(
            f"{done.held:,} inspections stay because they are held, {done.reviewed:,} because they were reviewed"
        )
    for path, reason in list(done.stuck.items())[:STUCK_SHOWN]:
        click.echo(f"{printable(path)} stays: {reason}", err=True)
    if len(done.stuck) > STUCK_SHOWN:
        click.echo(f"... and {len(done.stuck) - STUCK_SHOWN:,} more", err=True)
    if any("outside" in reason for reason in done.stuck.values()):
        click.echo("their inspections stay too; name the folder with --evidence DIR", err=True)
