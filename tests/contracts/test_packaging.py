"""What users install: the wheel holds everything, imports point one way, the verbs explain themselves."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as users would get it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_code_weights_clip_and_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    if not ((ROOT / ".git").exists() and shutil.which("git")):
        pytest.skip("not a git checkout, so the list of files to expect is not known")
    listing = ["git", "ls-files", "stream", "engines", "ebmc_core"]
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(tracked) <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"stream", "engines", "ebmc_core"}
    for needed in (
        "stream/schema/sentiment-event-1.json",
        "stream/assets/clip.mp4",
        "ebmc_core/checkpoints/live-en/model.safetensors",
        "ebmc_core/checkpoints/live-en/model.onnx",
        "ebmc_core/checkpoints/expression/model.onnx",
        "ebmc_core/checkpoints/face-trunk/model.onnx",
        "ebmc_core/checkpoints/face-trunk/config.json",
        "ebmc_core/checkpoints/face-boxes/model.onnx",
        "ebmc_core/checkpoints/face-boxes/config.json",
        "ebmc_core/checkpoints/sentence/model.safetensors",
        "ebmc_core/configs/live-en.toml",
        "ebmc_core/configs/sentence.toml",
    ):
        assert needed in names


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import stream, engines, ebmc_core\n"
        "from stream.sources.source import bundled_clip\n"
        "from ebmc_core.checkpoint import checkpoint_folder\n"
        "for thing in (stream.__file__, bundled_clip(), checkpoint_folder('live-en')):\n"
        "    assert str(thing).startswith(sys.argv[1]), thing\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "site")]
    subprocess.run(command, cwd=tmp_path, check=True)


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_starting_the_command_loads_no_heavy_library() -> None:
    program = "import sys, stream.cli; print(*sorted({'torch', 'cv2', 'av', 'mediapipe', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("verb", ["", "run", "train", "evaluate", "data prepare", "engine list", "models pull"])
def test_every_verb_explains_itself(verb: str) -> None:
    command = [sys.executable, "-m", "stream.cli", *verb.split(), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
