"""Every setting: what it is called in each place, what it takes, and what is in force and why."""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from stream.settings import GROUPS, Settings

PREFIX = "EBMC_"
TESTS = "EBMC_TEST_"  # switches of the test suite, which are no settings
FOLDERS = {
    platformdirs.user_cache_path("ebmc"): "~/.cache/ebmc",
    platformdirs.user_state_path("ebmc"): "~/.local/state/ebmc",
}
KINDS = {"number": "number", "integer": "whole number", "boolean": "`true`, `false`", "array": "names"}
BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "to {}",
    "minLength": "of {} or more characters",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting. group: its table in `ebmc.toml`, empty for the first level. schema: its JSON Schema."""

    group: str
    name: str
    schema: Mapping[str, Any]

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{PREFIX}{self.group}_{self.name}".upper() if self.group else f"{PREFIX}{self.name}".upper()

    @property
    def key(self) -> str:
        """What it is called in `ebmc.toml`, its table included."""
        return f"{self.group}.{self.name}" if self.group else self.name

    @property
    def secret(self) -> bool:
        """Whether its value is shown nowhere."""
        return bool(self.schema.get("writeOnly"))

    @property
    def about(self) -> str:
        """What it is for."""
        return str(self.schema.get("description", ""))

    @property
    def takes(self) -> str:
        """Its values, in words."""
        if self.secret:
            kind = "secret"
        elif "enum" in self.schema:
            kind = ", ".join(f"`{value}`" for value in self.schema["enum"])
        elif self.schema.get("format") == "path":
            kind = "path"
        else:
            kind = KINDS.get(self.schema["type"], "text")
        bounds = [words.format(f"{self.schema[name]:,g}") for name, words in BOUNDS.items() if name in self.schema]
        return ", ".join([kind, *bounds])

    @property
    def default(self) -> str:
        """What it is where nothing sets it, the same on every machine; empty for nothing."""
        value = self.schema.get("default")
        if self.schema.get("format") == "path" and value is not None:
            for folder, neutral in FOLDERS.items():
                if Path(value).is_relative_to(folder):
                    return neutral + str(value).removeprefix(str(folder)).replace("\\", "/")
        return shown(value)


@dataclass(frozen=True, slots=True)
class Force:
    """What a setting is now. origin: `default`, `ebmc.toml`, or its environment variable."""

    entry: Entry
    value: str
    origin: str


def entries() -> Iterator[Entry]:
    """All settings, in the order of the code."""
    whole = Settings.model_json_schema()
    for name, schema in whole["properties"].items():
        if name not in GROUPS:
            yield Entry("", name, _flat(schema, whole["$defs"]))
    for group in GROUPS:
        inner = whole["$defs"][GROUPS[group].__name__]["properties"]
        for name, schema in inner.items():
            yield Entry(group, name, _flat(schema, whole["$defs"]))


def in_force(settings: Settings) -> Iterator[Force]:
    """Every setting with its value here and where that is from. settings: as they were read, without flags."""
    environment, file = EnvSettingsSource(Settings)(), TomlConfigSettingsSource(Settings)()
    for entry in entries():
        owner: BaseModel = getattr(settings, entry.group) if entry.group else settings
        value = getattr(owner, entry.name)
        origin = "default"
        if _there(entry, environment):
            origin = entry.variable
        elif _there(entry, file):
            origin = "ebmc.toml"
        yield Force(entry, "(set)" if isinstance(value, SecretStr) else shown(value), origin)


def unknown(names: Iterable[str] | None = None) -> Iterator[str]:
    """A line for each variable that looks like a setting and is none. names: of the environment, by default."""
    known = [entry.variable for entry in entries()]
    groups = [f"{PREFIX}{group}".upper() for group in GROUPS]  # a whole group as JSON, which pydantic takes too
    for name in sorted(os.environ if names is None else names):
        upper = name.upper()
        if upper.startswith(PREFIX) and not upper.startswith(TESTS) and upper not in (*known, *groups):
            near = difflib.get_close_matches(upper, known, 1)
            yield f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "; ebmc settings lists them")


def shown(value: object) -> str:
    """A value as one would write it into an environment variable."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _flat(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without what may be nothing, and with what it refers to inside; its own words come first."""
    found = dict(schema)
    for inner in [one for one in schema.get("anyOf", []) if one != {"type": "null"}]:
        found = _flat(inner, definitions) | found
    if reference := schema.get("$ref"):
        found = definitions[reference.rpartition("/")[2]] | found
    return found


def _there(entry: Entry, source: Mapping[str, Any]) -> bool:
    if entry.group:
        source = source.get(entry.group) or {}
    return entry.name in source
