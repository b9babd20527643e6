"""Writes the parts of the documentation that the code knows better: run `make docs` after changing it.

The pages call these functions through cog, between its markers; `tests/test_docs.py` fails while a page is out of date.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator

os.environ["COLUMNS"] = "100"  # of the help texts

import click
from pydantic import BaseModel

from linecore import events, hookspecs
from linecore.alarms import AlarmRule
from linecore.cli import linecore
from linecore.commands.plugins import Option, options, options_of_model, summary
from linecore.config import LineSettings
from linecore.decision import DecisionRules
from linecore.plugins import HOOKS, hooks_of, known_plugins, load_plugin

TABLES: dict[str, type[BaseModel]] = {"line": LineSettings, "decision": DecisionRules, "alarms": AlarmRule}


def table(name: str) -> str:
    """Return the keys of one of the line's own tables."""
    return _rows(options_of_model(TABLES[name]))


def plugin(name: str) -> str:
    """Return what a plugin is for, the hooks that it answers and the keys of its table."""
    cls = load_plugin(known_plugins()[name])
    answers = ", ".join(f"`{hook}`" for hook in hooks_of(cls))
    keys = options(cls)
    return f"{summary(cls)}\nAnswers {answers}.\n\n{_rows(keys) if keys else 'It takes no keys.'}"


def hook(name: str) -> str:
    """Return a hook's exact signature and its documentation."""
    function = getattr(hookspecs.HookSpecs, name)
    signature = str(inspect.signature(function)).replace("'", "").replace("(self, ", "(").replace("(self)", "()")
    first = "; the first answer counts" if name in _first_result() else ""
    text = _markdown(inspect.getdoc(function) or "")
    return f"### `{name}`{first}\n\n```python\n{name}{signature}\n```\n\n{text}"


def hooks() -> str:
    """Return every hook, in the order of a line's life."""
    return "\n\n".join(hook(name) for name in HOOKS)


def event_table() -> str:
    """Return every event with its fields."""
    lines = ["| event | fields | when |", "| --- | --- | --- |"]
    for cls in _events():
        fields = ", ".join(f"`{name}`" for name in cls.__annotations__) or "none"
        lines.append(f"| `{cls.__name__}` | {fields} | {summary(cls)} |")
    return "\n".join(lines)


def help_of(*names: str) -> str:
    """Return the help text of a command, as a terminal of 100 columns shows it."""
    command: click.Command = linecore
    context = click.Context(linecore, info_name="linecore", max_content_width=100)
    for name in names:
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context, max_content_width=100)
    return f"```\n{command.get_help(context)}\n```"


def all_help() -> str:
    """Return the help text of every command, those of a group after it."""
    context = click.Context(linecore)
    sections = []
    for name in linecore.list_commands(context):
        command = linecore.get_command(context, name)
        inner = command.list_commands(context) if isinstance(command, click.Group) else []
        for names in ((name,), *((name, one) for one in inner)):
            sections.append(f"## `linecore {' '.join(names)}`\n\n{help_of(*names)}")
    return "\n\n".join(sections)


def _rows(keys: list[Option]) -> str:
    lines = ["| key | type | default | what for |", "| --- | --- | --- | --- |"]
    for key in keys:
        default = "**must be set**" if key.default is None else f"`{key.default}`"
        lines.append(f"| `{key.key}` | {key.type} | {default} | {key.description} |".replace(" | null", ""))
    return "\n".join(lines)


def _events() -> Iterator[type]:
    for cls in vars(events).values():
        if isinstance(cls, type) and issubclass(cls, events.Event) and cls is not events.Event:
            yield cls


def _first_result() -> list[str]:
    return [name for name in HOOKS if getattr(hookspecs.HookSpecs, name).linecore_spec["firstresult"]]


def _markdown(docstring: str) -> str:
    """Return a docstring's roles and double quotes as Markdown."""
    for role in (":meth:", ":class:", ":data:", ":mod:", ":func:"):
        docstring = docstring.replace(role, "")
    return docstring.replace("``", "`").replace("`~", "`")
