"""Lock what the images install: every package that is needed, its version, and the hashes it may have.

    python -m scripts.lock            # take the newest versions that pyproject.toml allows
    python -m scripts.lock --check    # say whether the locks are what pyproject.toml and this table ask for

It writes `deploy/docker/requirements/NAME.txt`, with `uv pip compile`, from the package index that uv is set up for;
the index itself is not named in them. What a lock leaves out is in the table below, with the reason.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "docker" / "requirements"

TRAINING = "only training, data preparation and `ebmc engine export` import it"
CONVERTS = "only the conversion of MiniLM imports it, which the stage `models` runs"
WINDOWS = "has Qt and asks for libGL; the build without windows is taken for it, the same module cv2"
STREAM = "only a running stream imports it"

HEADLESS = {"opencv-contrib-python-headless": WINDOWS}


@dataclass(frozen=True, slots=True)
class Lock:
    """One file of locked packages.

    python: of the image, major.minor. platform: as uv names it. extras: of ebmc-stream. without: packages that are left
    out although something asks for them, with the reason. besides: packages that nothing asks for, with the reason.
    """

    name: str
    python: str
    platform: str
    extras: tuple[str, ...]
    without: Mapping[str, str]
    besides: Mapping[str, str]
    like: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where it lies."""
        return FOLDER / f"{self.name}.txt"


_IMAGE = ("avro", "web")
_GPU_WITHOUT = {"torchaudio": TRAINING, "transformers": CONVERTS, "opencv-contrib-python": WINDOWS}
_MODELS_WITHOUT = dict.fromkeys(
    ("av", "faster-whisper", "jsonschema", "matplotlib", "mediapipe", "prometheus-client"), STREAM
) | {"torchaudio": TRAINING}

LOCKS: dict[str, Lock] = {
    lock.name: lock
    for lock in (
        Lock(
            "cpu",
            "3.11",
            "x86_64-manylinux_2_36",
            _IMAGE,
            {
                "torch": "the engine `onnx` does without; the engine `torch` is not in this image",
                "torchaudio": TRAINING,
                "transformers": CONVERTS,
                "onnx": TRAINING,
                "onnxscript": TRAINING,
                "opencv-contrib-python": WINDOWS,
            },
            HEADLESS,
        ),
        Lock("models-x86_64", "3.11", "x86_64-manylinux_2_36", (), _MODELS_WITHOUT, {}, ("cpu",)),
        Lock("models-aarch64", "3.11", "aarch64-manylinux_2_36", (), _MODELS_WITHOUT, {}, ("cpu",)),
        Lock("gpu", "3.12", "x86_64-manylinux_2_39", _IMAGE, _GPU_WITHOUT, HEADLESS, ("cpu", "models-x86_64")),
        Lock("jetson", "3.12", "aarch64-manylinux_2_39", _IMAGE, _GPU_WITHOUT, HEADLESS, ("cpu", "models-x86_64")),
    )
}
BUILD = FOLDER / "build.txt"  # what makes the wheel; any Python, any machine


def compiled(lock: Lock, target: Path) -> None:
    """Write a lock. Raises `CalledProcessError` when uv finds no versions that go together."""
    never = "".join(f"{name} ; sys_platform == 'never'\n" for name in sorted(lock.without))
    like = {package: version for name in lock.like for package, version in pins(LOCKS[name].path).items()}
    extras = [word for extra in lock.extras for word in ("--extra", extra)]
    _compile(
        ["pyproject.toml", *extras, "--python-version", lock.python, "--python-platform", lock.platform],
        target,
        heading=f"for Python {lock.python} on {lock.platform}",
        more="".join(f"{name}\n" for name in lock.besides),
        overrides=never,
        constraints="".join(f"{name}=={version}\n" for name, version in like.items()),
    )


def compiled_build(target: Path) -> None:
    """Write the lock of what builds the wheel."""
    _compile(["--python-version", "3.11", "--universal"], target, "what makes the wheel", more="hatchling>=1.26\n")


def _compile(
    words: list[str], target: Path, heading: str, more: str = "", overrides: str = "", constraints: str = ""
) -> None:
    with tempfile.TemporaryDirectory() as name:
        files = {"more.in": more, "--override": overrides, "--constraint": constraints}
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--generate-hashes"]
        command += ["--no-header", "--annotation-style", "line", "--only-binary", ":all:", *words]
        for what, text in files.items():
            (path := Path(name) / what.strip("-")).write_text(text)
            command += [what, str(path)] if what.startswith("--") else [str(path)]
        subprocess.run([*command, "--output-file", str(target)], cwd=ROOT, check=True)
        lines = target.read_text("utf-8").splitlines()
    cleaned = "".join(f"{_own(line, name)}\n" for line in lines)
    target.write_text(f"# {heading}; made by scripts/lock.py, which says what is left out and why\n{cleaned}", "utf-8")


def _own(line: str, folder: str) -> str:
    """A comment that says who asks for a package, without the names of passing files."""
    if not line.lstrip().startswith("# via"):
        return line
    who = [each for each in line.split("via ", 1)[1].split(", ") if f"-c {folder}" not in each]
    return "    # via " + ", ".join("scripts/lock.py" if folder in each else each for each in who)


def pins(path: Path) -> dict[str, str]:
    """Package to version, as a lock has them."""
    lines = (line.split(" ")[0] for line in path.read_text("utf-8").splitlines() if line[:1].isalnum())
    return dict(sorted(line.split("==") for line in lines))


def requirements(lines: Iterable[str], lock: Lock, extra: str = "") -> list[Requirement]:
    """Those of a list that hold for the machine of a lock."""
    machine = lock.platform.split("-")[0]
    environment = {"python_version": lock.python, "sys_platform": "linux", "platform_machine": machine, "extra": extra}
    found = [Requirement(line) for line in lines]
    return [each for each in found if each.marker is None or each.marker.evaluate(environment)]


def main() -> int:
    """Write all locks, or check them: 1 where one is not what would be written with the versions it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a lock would change")
    check = parser.parse_args().check
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale: list[str] = []
    for path, write in writers().items():
        if not check:
            path.unlink(missing_ok=True)  # uv keeps the versions of a file that is there
            write(path)
            sys.stdout.write(f"{path.relative_to(ROOT)}: {len(pins(path))} packages\n")
        elif not _stands(path, write):
            stale.append(path.name)
    if stale:
        sys.stderr.write(f"not up to date: {', '.join(stale)}; run: python -m scripts.lock\n")
    return 1 if stale else 0


def writers() -> dict[Path, Callable[[Path], None]]:
    """Every lock file, and what writes one, in an order in which those that others are like come first."""
    return {lock.path: partial(compiled, lock) for lock in LOCKS.values()} | {BUILD: compiled_build}


def _stands(path: Path, write: Callable[[Path], None]) -> bool:
    with tempfile.TemporaryDirectory() as name:
        again = Path(name) / path.name
        again.write_bytes(path.read_bytes() if path.is_file() else b"")
        write(again)
        return path.is_file() and again.read_bytes() == path.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
