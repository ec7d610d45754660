"""`ebmc data`: the public data sets, and the feature arrays made of them."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.cli.terminal import Bars, one_line_errors, say

if TYPE_CHECKING:
    from stream.datasets.dataset import Dataset

data_app = typer.Typer(
    help="Training data: see what there is, fetch it, turn it into feature arrays.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option(help="Folder of the data sets.", show_default="data below EBMC_DATA")]
COLOURS = {"complete": "green", "partial": "yellow", "missing": "dim", "damaged": "red"}


@data_app.command("list")
def list_command(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of a table.")] = False,
) -> None:
    """Every data set: what it is, its licence, and whether it is here."""
    with one_line_errors():
        from stream.datasets.catalogue import DATASETS

        root = _root(data)
        if as_json:
            typer.echo(json.dumps([_described(dataset, root) for dataset in DATASETS.values()], indent=1))
            return
        table = Table("name", "here", "what", "licence", "to download", show_lines=True)
        for dataset in DATASETS.values():
            found = dataset.inspect(root / dataset.name)
            colour = COLOURS[found.state]
            here = f"[{colour}]{found.state}[/{colour}]\n[dim]{escape(found.detail)}[/dim]"
            terms = f"{dataset.licence}\n[dim]{dataset.consequence}[/dim]"
            table.add_row(dataset.name, here, f"{dataset.what}\n[dim]{dataset.use}[/dim]", terms, dataset.size_text)
        Console().print(table)
        say(f"looked for in {root} (--data, or data below EBMC_DATA, names another folder)")


@data_app.command("fetch")
def fetch_command(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets to fetch; all of them by default.")] = None,
    data: Data = None,
) -> None:
    """Download what is not here, check it, convert it to the files that training reads; nothing is overwritten."""
    with one_line_errors(), Bars() as bars:
        from stream.datasets.catalogue import DATASETS, find_dataset
        from stream.datasets.fetch import fetch_dataset

        for dataset in [find_dataset(name) for name in names or DATASETS]:
            say(f"{dataset.name}: {fetch_dataset(dataset, _root(data), say, bars)}")


@data_app.command("prepare")
def prepare_command(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder of the feature arrays.")] = Path("features"),
    only: Annotated[list[str] | None, typer.Option(help="faces, speech, text or mosi; may be repeated.")] = None,
    reviews: Annotated[
        Path | None, typer.Option(help="For mosi: reviews.npz of `ebmc train sentence`, for its text vectors too.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch no data set that is not here.")] = False,
) -> None:
    """Fetch what is missing and run it through the front ends of the stream; half an hour on two cores."""
    with one_line_errors(), Bars() as bars:
        from ebmc_core.checkpoint import checkpoint_folder
        from ebmc_core.errors import DataError
        from stream.datasets.catalogue import DATASETS, PARTS
        from stream.datasets.fetch import provide
        from stream.features.audio import AudioFrontEnd
        from stream.features.text import TextFrontEnd
        from stream.features.voice import VoiceEncoder
        from stream.prepare.faces import embed_faces, prepare_faces
        from stream.prepare.mosi import prepare_mosi
        from stream.prepare.ravdess import prepare_ravdess
        from stream.prepare.text import prepare_text
        from stream.settings import load_settings
        from stream.weights import fetch

        root, settings = _root(data), load_settings()
        weights = partial(fetch, cache=settings.cache, report=say, mirror=settings.models_mirror)
        parts = only or PARTS
        if unknown := set(parts) - set(PARTS):
            raise DataError(f"--only {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
        for dataset in DATASETS.values():
            if set(dataset.parts) & set(parts):
                provide(dataset, root, say, bars, offline)
        if "faces" in parts:
            faces = prepare_faces(root / "facial-expressions", out, weights("face-landmarker"), bars)
            say(f"wrote    {embed_faces(faces, out, checkpoint_folder('expression'))}")
        if "speech" in parts:
            ears = AudioFrontEnd(VoiceEncoder(weights("whisper-tiny.en")))
            say(f"wrote    {prepare_ravdess(root, out, ears, bars)}")
        if "text" in parts:
            say(f"wrote    {prepare_text(root, out, TextFrontEnd(weights('minilm-l6-v2')), bars)}")
        if "mosi" in parts:
            say(f"wrote    {prepare_mosi(root, out, weights('minilm-l6-v2'), reviews, bars)}")


def _root(data: Path | None) -> Path:
    from stream.settings import load_settings

    return data or load_settings().data / "data"


def _described(dataset: "Dataset", root: Path) -> dict[str, object]:
    found = dataset.inspect(root / dataset.name)
    return {
        "name": dataset.name,
        "parts": dataset.parts,
        "what": dataset.what,
        "use": dataset.use,
        "licence": dataset.licence,
        "consequence": dataset.consequence,
        "citation": dataset.citation,
        "folder": str(root / dataset.name),
        "state": found.state.value,
        "detail": found.detail,
        "bytes_to_download": dataset.size,
        "files": [
            {"name": file.name, "addresses": file.addresses, "bytes": file.size, "digest": file.digest}
            for file in dataset.files
        ],
    }
