"""Settings that are not what they would be by themselves. Secrets, names and addresses are told as `set`."""

from collections.abc import Iterator

from pydantic import BaseModel

from stream.doctor.finding import Finding, homeless
from stream.settings import Settings

# who or where somebody is; what is a secret is known by its type
PRIVATE = {"username", "registry", "registry_username", "host", "hosts", "origins", "run"}
HIDDEN = "set (not shown)"


def configuration(settings: Settings) -> Iterator[Finding]:
    """From `ebmc.toml`, the environment and flags; one line when there are none."""
    told = [*_changed("", settings)]
    if not told:
        yield Finding("settings", "all", "the defaults")
    yield from told


def _changed(group: str, options: BaseModel) -> Iterator[Finding]:
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            yield from _changed(f"{name}.", value)
        elif value != field.get_default(call_default_factory=True):
            secret = name in PRIVATE or "Secret" in str(field.annotation)
            shown = HIDDEN if secret else homeless(str(value))
            yield Finding("settings", f"{group}{name}", shown)
