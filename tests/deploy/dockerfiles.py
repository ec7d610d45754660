"""A Dockerfile as the tests see it: stages, what each inherits, and what each copies."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCKER = Path(__file__).parents[2] / "deploy" / "docker"
IMAGES = ("cpu", "gpu", "jetson")


@dataclass
class Stage:
    """One FROM and what follows. base: as written, with the global arguments put in."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def said(self, word: str) -> list[str]:
        """What follows an instruction, each time that it stands here."""
        return [rest for instruction, rest in self.steps if instruction == word]


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    """Instruction and the rest, lines joined and comments left out."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), re.sub(r"\s+", " ", rest).strip()


def stages(image: str) -> dict[str, Stage]:
    """The stages of an image's Dockerfile, by name."""
    found: dict[str, Stage] = {}
    defaults: dict[str, str] = {}
    latest: Stage | None = None
    for word, rest in instructions(DOCKER / f"{image}.Dockerfile"):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            for argument, value in defaults.items():
                base = base.replace(f"${{{argument}}}", value)
            latest = found.setdefault(name, Stage(name, base))
        elif latest is None:
            assert word == "ARG", f"{word} stands before the first FROM"
            name, _, value = rest.partition("=")
            defaults[name] = value
        else:
            latest.steps.append((word, rest))
    return found


def inherited(image: str, name: str, word: str) -> str | None:
    """What the last such instruction says, here or in a stage that this one is made on."""
    all_of_them = stages(image)
    while name in all_of_them:
        if said := all_of_them[name].said(word):
            return said[-1]
        name = all_of_them[name].base
    return None


def exec_form(text: str) -> list[str]:
    """The words of an instruction in its exec form. Raises `ValueError` for the shell form."""
    return json.loads(text[text.index("[") :])
