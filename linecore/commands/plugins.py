"""``linecore plugins``: what a line can be built from."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from linecore.errors import MissingExtraError
from linecore.plugins import config_model, find_plugin, hooks_of, known_plugins, load_plugin


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a plugin's table."""

    key: str
    type: str
    default: str | None  # as TOML writes it; None where the key must be set
    description: str


@click.group(epilog="Example: linecore plugins show folder")
def plugins() -> None:
    """List the plugins, or show one with its options."""


@plugins.command("list", epilog="Example: linecore plugins list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_plugins(as_json: bool) -> None:
    """List the installed plugins."""
    rows = []
    for name, entry in known_plugins().items():
        try:
            cls = load_plugin(entry)
        except MissingExtraError as error:
            rows.append({"name": name, "hooks": [], "summary": str(error)})
        else:
            rows.append({"name": name, "hooks": list(hooks_of(cls)), "summary": summary(cls)})
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    table = Table("plugin", "answers", "what for", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(str(row["name"]), " ".join(row["hooks"]), Text(str(row["summary"])))
    Console().print(table)


@plugins.command(epilog="Example: linecore plugins show ./my_sink.py:CsvSink")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show a plugin's hooks and the keys of its table. NAME is a plugin's name or ./file.py:Class."""
    cls = find_plugin(name, Path.cwd(), where="NAME")
    found = options(cls)
    if as_json:
        keys = [{"key": o.key, "type": o.type, "default": o.default, "description": o.description} for o in found]
        click.echo(json.dumps({"name": name, "hooks": list(hooks_of(cls)), "summary": summary(cls), "options": keys}))
        return
    console = Console()
    console.print(Text.assemble((name, "bold"), f": {summary(cls)}"))
    console.print(f"answers: {', '.join(hooks_of(cls))}", highlight=False)
    if not found:
        console.print("takes no options")
        return
    table = Table("key", "type", "default", "what for", box=None, header_style="bold", pad_edge=False)
    for option in found:
        default = "(must be set)" if option.default is None else option.default
        table.add_row(option.key, option.type, Text(default), Text(option.description))
    console.print(table, highlight=False)


def summary(cls: type) -> str:
    """Return the first sentence of a class's docstring."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def options(cls: type) -> list[Option]:
    """Return the keys that a plugin's table may hold."""
    model = config_model(cls)
    return [] if model is None else options_of_model(model)


def options_of_model(model: type[BaseModel]) -> list[Option]:
    """Return the keys of a table that a model validates."""
    schema = model.model_json_schema(mode="validation")
    rows = []
    for key, field in model.model_fields.items():
        default = None if field.default is PydanticUndefined else _as_toml(field.default)
        rows.append(Option(key, _type_name(schema["properties"][key], schema), default, field.description or ""))
    return rows


def _as_toml(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, (list, tuple, frozenset)):
        return f"[{', '.join(_as_toml(one) for one in value)}]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _type_name(schema: dict[str, object], root: dict[str, object]) -> str:
    """Say in words what JSON schema says of a key."""
    if "$ref" in schema:
        definitions = root["$defs"]
        assert isinstance(definitions, dict)
        return _type_name(definitions[str(schema["$ref"]).rsplit("/", 1)[-1]], root)
    if isinstance(schema.get("anyOf"), list):
        names = [_type_name(one, root) for one in schema["anyOf"]]  # type: ignore[attr-defined]  # asked just above
        return " or ".join(dict.fromkeys(name for name in names if name != "null"))
    if isinstance(schema.get("enum"), list):
        return " or ".join(json.dumps(one) for one in schema["enum"])  # type: ignore[attr-defined]  # asked just above
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        items = schema.get("items")
        return f"list of {_type_name(items, root)}" if isinstance(items, dict) else "list"
    if schema.get("format") == "path":
        return "path"
    words = {"string": "text", "boolean": "true or false", "object": "table"}
    return words.get(str(schema.get("type")), str(schema.get("type")))
