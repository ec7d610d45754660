"""Secrets, from the environment or, again each time, from a file. They are handed on and printed nowhere."""

from pathlib import Path

from pydantic import SecretStr

from stream.errors import SettingsError


def secret(name: str, value: SecretStr | None, file: Path | None, group: str = "EBMC_KAFKA") -> str | None:
    """The secret from the settings, or the content of its file without the last line's end. Raises `SettingsError`.

    group: the beginning of the variables that it is set by.
    """
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:  # a ValueError for text that is no UTF-8, and for a name that is none
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text, or not the name of a file"
        raise SettingsError(f"{group}_{name.upper()}_FILE: {file} cannot be read ({why})") from None


def needed(name: str, value: SecretStr | None, file: Path | None) -> str:
    """The secret; raises `SettingsError` when there is none."""
    found = secret(name, value, file)
    if not found:
        variable = f"EBMC_KAFKA_{name.upper()}"
        raise SettingsError(f"the brokers want a {name}: put it into a file and set {variable}_FILE, or set {variable}")
    return found
