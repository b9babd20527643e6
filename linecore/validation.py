"""A table that somebody wrote -> a typed model, or one sentence with file, key, value and wish."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from linecore.errors import ConfigError
from linecore.secrets import Secrets

M = TypeVar("M", bound=BaseModel)
_PASSWORD = re.compile(r"(://[^:/@\s]*):\S*@")
HIDDEN = "***"
_NAMED = ("missing", "extra_forbidden")  # errors about a key that need not stand in the file


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a suggestion to append to a sentence, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def mask_password(text: str) -> str:
    """Return *text* with the passwords of the URLs in it replaced by stars."""
    return _PASSWORD.sub(r"\1:***@", text)


def shown_value(value: object) -> str:
    """Return a value as a sentence shows it: short, and without the password of a URL."""
    text = mask_password(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def validate(model: type[M], table: Mapping[str, Any], *, where: str, key: str, shown: object, folder: Path) -> M:
    """Validate a table of the file *where*, whose key is *key* ("plugins.camera", or "" for the whole file).

    *shown* is the table as written, for sentences that must not tell a secret.

    Raises:
        ConfigError: one sentence for the first mistake.
    """
    try:
        return model.model_validate(table, context={"folder": folder, "shown": shown})
    except ValidationError as error:
        sentence = f"{where}: {_sentence(error, model, key, shown)}"
        # A plugin's own validator may have put into words what it was given.
        raise ConfigError(Secrets.between(shown, table).hide(sentence)) from None


def _sentence(error: ValidationError, model: type[BaseModel], key: str, shown: object) -> str:
    # Unknown keys first: a misspelt key is often why another one is missing.
    first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    words = _words(shown)
    location = [part for part in first["loc"] if isinstance(part, int) or part in words or first["type"] in _NAMED]
    name = ".".join([*([key] if key else []), *map(str, location)])
    if first["type"] == "missing":
        return f"{name} is missing; {_wish_of_field(model, location)}"
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        hint = did_you_mean(str(location[-1]), known) or f"; known are {', '.join(known) or 'none'}"
        return f"{name} is not a known key{hint}"
    value = _look_up(shown, location)
    if _is_secret(model, location) and not (isinstance(value, str) and "${" in value):
        value = HIDDEN
    wish = first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
    wish = re.sub(r", unable to .*| and .*got .*", "", wish)
    return f"{name} is {shown_value(value)}; {wish}" if location else f"{name or 'the file'}: {wish}"


def _is_secret(model: type[BaseModel], location: Sequence[str | int]) -> bool:
    """Say whether a field on the way is one that its model never shows."""
    for at, part in enumerate(location):
        nested = _model_at(model, location[:at])
        field = nested.model_fields.get(str(part)) if nested else None
        if field is not None and not field.repr:
            return True
    return False


def _words(shown: object) -> set[str]:
    """Return every key that stands in the table: pydantic's locations also name union members and validators."""
    if isinstance(shown, Mapping):
        return {*map(str, shown), *(word for value in shown.values() for word in _words(value))}
    if isinstance(shown, list):
        return {word for value in shown for word in _words(value)}
    return set()


def _look_up(table: object, location: Sequence[str | int]) -> object:
    for part in location:
        if isinstance(table, Mapping):
            table = table.get(part, table)
        elif isinstance(table, list) and isinstance(part, int):
            table = table[part]
    return table


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    """Follow *location* through nested models; None where it leaves them."""
    for part in location:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        found = [arg for arg in _types_in(field.annotation) if issubclass(arg, BaseModel)] if field else []
        if not found:
            return None
        model = found[0]
    return model


def _types_in(annotation: object) -> list[type]:
    inner = [found for arg in getattr(annotation, "__args__", ()) for found in _types_in(arg)]
    return [annotation, *inner] if isinstance(annotation, type) and not inner else inner


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    nested = _model_at(model, location)
    return list(nested.model_fields) if nested else []


def _wish_of_field(model: type[BaseModel], location: Sequence[str | int]) -> str:
    nested = _model_at(model, location[:-1])
    field = nested.model_fields.get(str(location[-1])) if nested else None
    return f"set it: {field.description}" if field and field.description else "it must be set"
