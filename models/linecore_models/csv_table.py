"""Tables that people keep beside their images."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from linecore.errors import ConfigError
from linecore.text import printable
from linecore.validation import did_you_mean


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Return the number and the cells, without blanks around them, of each line of a table with a header.

    Raises:
        ConfigError: it cannot be read, or a column or a cell is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            for column in columns:
                if column not in header:
                    hint = (
                        did_you_mean(column, header) or f"; it has {', '.join(map(printable, header)) or 'no header'}"
                    )
                    raise ConfigError(f"{path} has no column {column!r}{hint}")
            for cells in reader:
                if None in cells.values() or None in cells:
                    raise ConfigError(
                        f"{path}, line {reader.line_num}: it must have {len(header)} cells, as the header"
                    )
                yield reader.line_num, {name: cell.strip() for name, cell in cells.items()}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no table of comma-separated values in UTF-8: {error}") from None
