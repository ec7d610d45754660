"""`ebmc data list|fetch|prepare`: what is here, what is not, and what it says when it cannot be had."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ebmc_core.errors import DataError
from stream.cli import app
from stream.datasets.catalogue import DATASETS, find_dataset
from stream.datasets.dataset import Dataset, RemoteFile, State
from stream.datasets.faces import inspect_faces
from stream.datasets.fetch import fetch_dataset, provide
from stream.datasets.meld import MELD, inspect_meld
from stream.datasets.mosi import TARGET, inspect_mosi
from stream.datasets.ravdess import CLIPS, inspect_ravdess
from tests.stream.public_data import NOWHERE, few_faces, local, repository, served, some_faces, zipped
from tests.stream.web import Web


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


@pytest.mark.parametrize("name", DATASETS)
def test_our_folder_is_complete_and_nothing_is_asked_for(name: str, tmp_path: Path) -> None:
    folder = local(name)
    dataset = find_dataset(name)
    assert dataset.inspect(folder).state is State.COMPLETE
    unreachable = tuple(RemoteFile(file.name, (NOWHERE,)) for file in dataset.files)
    assert provide(replace(dataset, files=unreachable), folder.parent, lambda line: pytest.fail(line)) == folder
    assert dataset.inspect(tmp_path / "nothing").state is State.MISSING


def test_parts_and_damage_are_recognised(tmp_path: Path) -> None:
    link(local("meld") / "train_sent_emo.csv", tmp_path / "meld" / "train_sent_emo.csv")
    assert inspect_meld(tmp_path / "meld").state is State.PARTIAL
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text("Sr No.\n")
    assert inspect_meld(tmp_path / "meld").state is State.DAMAGED
    sounds = tmp_path / "ravdess-speech" / "16k"
    link(local("ravdess-speech") / "16k" / f"{CLIPS[0]}.flac", sounds / f"{CLIPS[0]}.flac")
    assert inspect_ravdess(sounds.parent).state is State.PARTIAL
    (sounds / f"{CLIPS[1]}.flac").write_bytes(b"")
    assert inspect_ravdess(sounds.parent).state is State.DAMAGED
    (tmp_path / "cmu-mosi").mkdir()
    (tmp_path / "cmu-mosi" / TARGET).write_bytes(b"PK")
    assert inspect_mosi(tmp_path / "cmu-mosi").state is State.DAMAGED
    faces = tmp_path / "facial-expressions"
    link(local("facial-expressions") / "faces.zip", faces / "faces.zip")
    assert inspect_faces(faces).state is State.PARTIAL
    (faces / "labels.csv").write_text("image,emotion\nAJ_Cook_0001.jpg,happiness\n")
    assert inspect_faces(faces).detail.startswith("1 of 11956 portraits")
    (faces / "labels.csv").write_text("image,emotion\nAJ_Cook_0001.jpg,bored\n")
    assert inspect_faces(faces).state is State.DAMAGED


def test_list_says_what_is_here_in_words_and_in_json(tmp_path: Path) -> None:
    link(local("meld"), tmp_path / "meld")
    shown = CliRunner().invoke(app, ["data", "list", "--data", str(tmp_path)], env={"COLUMNS": "160"})
    assert shown.exit_code == 0 and all(name in shown.output for name in DATASETS)
    assert "CC BY-NC-SA 4.0" in shown.output and "208.5 MB" in shown.output
    plain = CliRunner().invoke(app, ["data", "list", "--data", str(tmp_path), "--json"])
    states = {row["name"]: row["state"] for row in json.loads(plain.stdout)}
    assert states == dict.fromkeys(DATASETS, "missing") | {"meld": "complete"}


@pytest.fixture
def meld(web: Web, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """MELD from the test server, for the commands too."""
    contents = {file.name: (local("meld") / file.name).read_bytes() for file in MELD.files}
    monkeypatch.setitem(DATASETS, "meld", served(MELD, web, contents))
    return DATASETS["meld"]


def test_fetch_completes_a_part_and_says_licence_and_size(meld: Dataset, tmp_path: Path) -> None:
    link(local("meld") / "dev_sent_emo.csv", tmp_path / "meld" / "dev_sent_emo.csv")
    done = CliRunner().invoke(app, ["data", "fetch", "meld", "--data", str(tmp_path)])
    assert done.exit_code == 0
    assert "1.2 MB" in done.stderr and "GPL-3.0" in done.stderr
    assert inspect_meld(tmp_path / "meld").state is State.COMPLETE
    assert (tmp_path / "meld" / "dev_sent_emo.csv").is_symlink()  # it was there, so it was left


def test_other_files_are_never_overwritten(meld: Dataset, web: Web, tmp_path: Path) -> None:
    own = tmp_path / "meld" / "train_sent_emo.csv"
    own.parent.mkdir()
    own.write_text("lines of my own")
    done = CliRunner().invoke(app, ["data", "fetch", "meld", "--data", str(tmp_path)])
    assert done.exit_code == 2 and "left alone: move it away" in done.stderr
    lines: list[str] = []
    assert provide(meld, tmp_path, lines.append) == own.parent
    assert lines == ["meld is damaged (train_sent_emo.csv differs from the published table) and used as it is"]
    assert own.read_text() == "lines of my own" and web.asked == []


def test_a_part_of_something_else_is_not_completed(web: Web, tmp_path: Path) -> None:
    labels, pictures = some_faces(2)
    own = tmp_path / "facial-expressions" / "faces.zip"
    own.parent.mkdir()
    content = zipped({"me.jpg": b"x"})
    own.write_bytes(content)
    with pytest.raises(DataError, match="beside what was there, it is damaged: 0 of 2 portraits"):
        fetch_dataset(few_faces(web, labels, repository(labels, pictures)), tmp_path, lambda line: None)
    assert own.read_bytes() == content


def test_fetch_without_a_network_is_one_line_and_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(replace(file, addresses=(f"{NOWHERE}/{file.name}",)) for file in MELD.files)
    monkeypatch.setitem(DATASETS, "meld", replace(MELD, files=files))
    done = CliRunner().invoke(app, ["data", "fetch", "meld", "--data", str(tmp_path)])
    complaints = [line for line in done.stderr.splitlines() if line.startswith("ebmc:")]
    assert done.exit_code == 2 and len(complaints) == 1
    assert f"put it at {tmp_path / 'downloads' / 'meld' / 'train_sent_emo.csv'}" in complaints[0]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(DataError, match="cannot be stored"):
        provide(replace(MELD, files=(RemoteFile("x", (NOWHERE,)),)), tmp_path / "data", lambda line: None)


def test_prepare_offline_fetches_nothing_and_says_how_to_get_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "prepare", "--only", "text", "--offline", "--data", str(tmp_path / "none")])
    assert done.exit_code == 2 and "leave out --offline" in done.stderr
    assert f"as dev_sent_emo.csv into {tmp_path / 'none' / 'downloads' / 'meld'}" in done.stderr
    assert not (tmp_path / "none").exists()


def test_offline_uses_a_part_as_it_is(tmp_path: Path) -> None:
    link(local("meld") / "dev_sent_emo.csv", tmp_path / "meld" / "dev_sent_emo.csv")
    lines: list[str] = []
    assert provide(MELD, tmp_path, lines.append, offline=True) == tmp_path / "meld"
    assert lines == ["meld is partial (dev_sent_emo.csv) and used as it is"]


def test_an_unknown_name_lists_those_there_are() -> None:
    done = CliRunner().invoke(app, ["data", "fetch", "mosei"])
    assert done.exit_code == 2 and "facial-expressions, ravdess-speech, meld, cmu-mosi" in done.stderr
