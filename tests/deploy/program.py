"""What files under `deploy/` say to the program, held against the program: command lines and settings."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import typer

from stream.cli import app
from stream.settings import Settings, load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """The parameters that `ebmc` reads from a command line (without the word `ebmc`), nothing run.

    Raises click's usage errors for a verb or an option that does not exist, and for values of the wrong kind.
    """
    command: Any = typer.main.get_command(app)
    context, words = None, list(argv)
    while hasattr(command, "resolve_command"):
        context = command.make_context(command.name, words, parent=context, resilient_parsing=False)
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, f"`ebmc` has no verb {name}"
    return command.make_context(command.name, words, parent=context).params


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings as a process with this environment reads them. Raises `SettingsError`, and for a name it ignores.

    A name that begins with `EBMC_` and is no setting would be passed over without a word by the program, and so would
    a misspelt one: here it is an error.
    """
    given = {name: value for name, value in environment.items() if name.startswith("EBMC_")}
    unknown = given.keys() - names_of_settings()
    assert not unknown, f"no setting is called {', '.join(sorted(unknown))}"
    with mock.patch.dict(os.environ, given, clear=True):
        return load_settings()


def names_of_settings() -> set[str]:
    """Every environment variable that is a setting."""
    names: set[str] = set()
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        names |= {f"EBMC_{name}_{each}".upper() for each in inner} if inner else {f"EBMC_{name}".upper()}
    return names
