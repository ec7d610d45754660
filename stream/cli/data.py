"""`ebmc data`: the public data sets, and the feature arrays made of them."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli.terminal import Bars, one_line_errors, say

data_app = typer.Typer(help="Training data: turn data sets into feature arrays.", no_args_is_help=True)


@data_app.command("prepare")
def prepare_command(
    data: Annotated[Path | None, typer.Option(help="Folder of the data sets.", show_default="../shared/data")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the feature arrays.")] = Path("features"),
    only: Annotated[list[str] | None, typer.Option(help="faces, speech or text; may be repeated.")] = None,
) -> None:
    """Run every data set through the front ends of the stream itself; takes about half an hour on two cores."""
    with one_line_errors(), Bars() as bars:
        from ebmc_core.checkpoint import checkpoint_folder
        from ebmc_core.errors import DataError
        from stream.features.audio import AudioFrontEnd
        from stream.features.text import TextFrontEnd
        from stream.prepare.faces import embed_faces, prepare_faces
        from stream.prepare.ravdess import prepare_ravdess
        from stream.prepare.text import prepare_text
        from stream.settings import load_settings
        from stream.speech.asr import Recogniser
        from stream.weights import fetch

        settings = load_settings()
        root, cache = data or settings.data / "data", settings.cache
        parts = only or ["faces", "speech", "text"]
        if unknown := set(parts) - {"faces", "speech", "text"}:
            raise DataError(f"--only {', '.join(sorted(unknown))}: there are faces, speech and text")
        if "faces" in parts:
            faces = prepare_faces(root / "facial-expressions", out, fetch("face-landmarker", cache, say), bars)
            say(f"wrote    {embed_faces(faces, out, checkpoint_folder('expression'))}")
        if "speech" in parts:
            ears = AudioFrontEnd(Recogniser(fetch("whisper-tiny.en", cache, say)))
            say(f"wrote    {prepare_ravdess(root, out, ears, bars)}")
        if "text" in parts:
            say(f"wrote    {prepare_text(root, out, TextFrontEnd(fetch('minilm-l6-v2', cache, say)), bars)}")
