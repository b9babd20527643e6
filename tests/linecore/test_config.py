from pathlib import Path

import pytest

from linecore.alarms import Priority
from linecore.config import LineConfig, load_config, parse_config
from linecore.errors import ConfigError

GOOD = """
[line]
name = "hot-strip-1"

[decision]
min_confidence = 0.9

[plugins.left]
type = "camera"
device = 0

[plugins.database]
url = "sqlite:///history.db"

[[alarms]]
name = "scratch burst"
labels = ["scratches"]
count = 3
of = 10
priority = "high"
"""


def parse(text: str, **environment: str) -> LineConfig:
    return parse_config(text.encode(), Path("line.toml"), environment)


def test_a_line_is_read_in_the_order_of_its_tables() -> None:
    config = parse(GOOD)
    assert config.line.name == "hot-strip-1"
    assert config.decision.min_confidence == 0.9
    assert [(table.name, table.type) for table in config.plugins] == [("left", "camera"), ("database", "database")]
    assert config.plugins[0].options == {"device": 0}
    assert config.alarms[0].priority is Priority.HIGH


def test_secrets_come_from_the_environment_and_stay_out_of_the_hash() -> None:
    text = GOOD + '[plugins.webhook]\ntoken = "x${TOKEN}y"\n'
    one, other = parse(text, TOKEN="1"), parse(text, TOKEN="2")
    assert one.plugins[-1].options == {"token": "x1y"}
    assert one.plugins[-1].shown == {"token": "x${TOKEN}y"}
    assert one.hash == other.hash != parse(GOOD).hash


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[line", "line.toml is not valid TOML: "),
        ("", "line.toml: line is missing; it must be set"),
        ("[line]", "line.toml: line.name is missing; set it: what the line is called in the history"),
        ("[line]\nname = 3", "line.toml: line.name is 3; it must be a valid string"),
        ('[line]\nname = "a b"', "line.toml: line.name is 'a b'; "),
        ('[line]\nname = "a"\nworker = 2', "line.toml: line.worker is not a known key; did you mean 'workers'?"),
        ('[line]\nname = "a"\n[decison]', "line.toml: decison is not a known key; did you mean 'decision'?"),
        (
            '[line]\nname = "a"\nworkers = "many"',
            "line.toml: line.workers is 'many'; it must be a valid integer",
        ),
        (
            '[line]\nname = "a"\n[decision]\nmin_confidence = 80',
            "line.toml: decision.min_confidence is 80; it must be less than or equal to 1",
        ),
        ('[line]\nname = "a"\n[plugins]\nfolder = 3', "line.toml: plugins.folder is 3; it must be a valid dictionary"),
        (
            '[line]\nname = "a"\n[plugins.folder]\ntype = 3',
            "line.toml: plugins.folder.type is 3; it must be the name of a plugin",
        ),
        (
            '[line]\nname = "a"\n[plugins.webhook]\ntoken = "${TOKEN}"',
            "line.toml: plugins.webhook.token is '${TOKEN}', but the environment has no TOKEN; export it first",
        ),
        (
            '[line]\nname = "a"\n[[alarms]]\nname = "burst"\ncount = 3',
            "line.toml: alarms.0 is {'name': 'burst', 'count': 3}; 'burst' sets count; it must set count and of, ",
        ),
        (
            '[line]\nname = "a"\n[[alarms]]\nname = "burst"\ncount = 3\nof = 5\npriority = "hihg"',
            "line.toml: alarms.0.priority is 'hihg'; it must be 'low', 'medium', 'high' or 'critical'",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_file_key_value_and_wish(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_password_beside_a_missing_secret_is_not_told() -> None:
    with pytest.raises(ConfigError) as caught:
        parse('[line]\nname = "a"\n[plugins.database]\nurl = "postgresql://u:literal-pw@host/${NAME}"')
    assert "literal-pw" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line.toml does not exist; `linecore init` writes one"):
        load_config(tmp_path / "line.toml")


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_file_that_is_not_utf_8() -> None:
    with pytest.raises(ConfigError, match=r"line\.toml is not UTF-8 text \(byte 3\)"):
        parse_config(b'a="\xff"', Path("line.toml"), {})
