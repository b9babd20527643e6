import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from linecore.errors import ConfigError
from linecore.validation import validate
from linecore_db.urls import DatabaseUrl, chosen_url, evidence_folders, parse_url, shown


class Table(BaseModel):
    url: DatabaseUrl


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("postgresql://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgresql+psycopg://h/db", "postgresql+psycopg://h/db"),
        ("postgres://h/db", "postgresql+psycopg://h/db"),
        ("mysql://h/db", "mysql+pymysql://h/db"),
        ("mariadb://u@h:3307/db?charset=utf8mb4", "mysql+pymysql://u@h:3307/db?charset=utf8mb4"),
        ("postgresql://u:p@a,b/db?sslmode=require", "postgresql+psycopg://u:p@/db?host=a&host=b&sslmode=require"),
        ("postgresql://a:5433,b/db", "postgresql+psycopg:///db?host=a%3A5433&host=b"),
        ("sqlite:////var/lib/history.db", "sqlite+pysqlite:////var/lib/history.db"),
    ],
)
def test_a_url_is_opened_with_the_driver_that_linecore_uses(written: str, opened: str) -> None:
    assert parse_url(written).render_as_string(hide_password=False) == opened


@pytest.mark.parametrize(
    ("written", "wish"),
    [
        ("history.db", "must be like sqlite:///history.db"),
        ("", "must be like sqlite:///history.db"),
        ("oracle://h/db", "must be like sqlite:///history.db"),
        ("postgesql://h/db", "did you mean 'postgresql'?"),
        ("postgresql+asyncpg://h/db", "must begin with postgresql:// or postgresql+psycopg://"),
        ("postgresql://h", "must end in the name of a database"),
        ("postgresql://h:port/db", "must be like"),
        ("postgresql://u:p@ss@h/db", "write %40"),
        ("sqlite://history.db", "three slashes"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
def test_what_is_no_database_gets_a_wish_without_the_url(written: str, wish: str) -> None:
    with pytest.raises(ValueError, match="^it must|^its password") as caught:
        parse_url(written)
    assert wish in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ValueError, match=r"needs psycopg: pip install 'linecore\[postgres\]'"):
        parse_url("postgresql://h/db")
    with pytest.raises(ValueError, match=r"needs pymysql: pip install 'linecore\[mariadb\]'"):
        parse_url("mariadb://h/db")


def test_an_sqlite_file_counts_from_the_folder_of_line_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = {"folder": tmp_path}
    assert Table.model_validate({"url": "sqlite:///a b.db"}, context=context).url.database == str(tmp_path / "a b.db")
    assert Table.model_validate({"url": "sqlite:////x.db"}, context=context).url.database == "/x.db"
    monkeypatch.chdir(tmp_path)
    assert Table.model_validate({"url": "sqlite:///x.db"}).url.database == str(tmp_path / "x.db")


def test_several_hosts_are_shown_as_they_were_written() -> None:
    written = "postgresql://u:secret@a:5433,b/db?target_session_attrs=read-write"
    assert shown(parse_url(written)) == written.replace("secret", "***")


def test_no_password_is_shown() -> None:
    assert shown(parse_url("postgresql://u:secret@h/db?sslpassword=secret")) == (
        "postgresql://u:***@h/db?sslpassword=%2A%2A%2A"
    )
    assert "secret" not in repr(Table.model_validate({"url": "mariadb://u:secret@h/db"}))
    assert "secret" not in Table.model_validate({"url": "mariadb://u:secret@h/db"}).model_dump_json()
    written = {"url": "nosuch://u:secret@h/db"}
    with pytest.raises(ConfigError) as caught:
        validate(Table, written, where="line.toml", key="plugins.database", shown=written, folder=Path())
    assert str(caught.value).startswith("line.toml: plugins.database.url is 'nosuch://u:***@h/db'; it must be like")


LINE = """
[line]
name = "one"
[plugins.history]
type = "database"
url = "sqlite:///deep/history.db"
"""


def test_the_commands_take_the_database_of_the_line(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text(LINE)
    found = tmp_path / "deep" / "history.db"
    assert chosen_url(None, None, tmp_path).database == str(found)
    assert chosen_url(None, tmp_path / "line.toml", Path.cwd()).database == str(found)
    assert chosen_url("sqlite:///other.db", None, tmp_path).database == str(tmp_path / "other.db")


def test_the_commands_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no line.toml here; give --db URL or --config FILE"):
        chosen_url(None, None, tmp_path)
    with pytest.raises(ConfigError, match="give one of them"):
        chosen_url("sqlite:///x.db", tmp_path / "line.toml", tmp_path)
    with pytest.raises(ConfigError, match="the database is 'x'; it must be like"):
        chosen_url("x", None, tmp_path)
    config = tmp_path / "line.toml"
    config.write_text('[line]\nname = "one"\n')
    with pytest.raises(ConfigError, match="has no plugin of the type database"):
        chosen_url(None, config, tmp_path)
    config.write_text(LINE + LINE[LINE.index("[plugins") :].replace("history]", "second]"))
    with pytest.raises(ConfigError, match="has 2 plugins of the type database"):
        chosen_url(None, config, tmp_path)
    config.write_text('[line]\nname = "one"\n[plugins.database]\n')
    with pytest.raises(ConfigError, match=r"line.toml: plugins.database.url is missing"):
        chosen_url(None, config, tmp_path)


def test_the_folders_of_the_evidence_are_those_of_the_line(tmp_path: Path) -> None:
    config = tmp_path / "line.toml"
    assert evidence_folders(None, tmp_path) == []
    files = '[plugins.files]\npath = "evidence"\n[plugins.more]\ntype = "files"\npath = "/srv/more"\n'
    config.write_text(LINE + files)
    assert evidence_folders(None, tmp_path) == evidence_folders(config, Path.cwd())
    assert evidence_folders(config, Path.cwd()) == [tmp_path / "evidence", Path("/srv/more")]
    config.write_text(LINE + "[plugins.files]\n")
    with pytest.raises(ConfigError, match=r"line.toml: plugins.files.path is missing"):
        evidence_folders(config, Path.cwd())
