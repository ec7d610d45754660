"""MELD, text and labels: two tables that are used as they are published."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from stream.datasets.dataset import Dataset, Found, RemoteFile, Report, State

DIGESTS = {
    "train_sent_emo.csv": "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
    "dev_sent_emo.csv": "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
}
SIZES = {"train_sent_emo.csv": 1_119_290, "dev_sent_emo.csv": 121_640}
ADDRESS = "https://raw.githubusercontent.com/declare-lab/MELD/2d2011b409d3ca2d7e94460cd007d434b1d0a102/data/MELD"


def build_meld(files: Mapping[str, Path], folder: Path, report: Report | None = None) -> None:
    """The tables, unchanged."""
    for name, path in files.items():
        shutil.copyfile(path, folder / name)


def inspect_meld(folder: Path) -> Found:
    """Whether both tables are those that the checkpoints were trained on."""
    here = [name for name in DIGESTS if (folder / name).is_file()]
    if not here:
        return Found(State.MISSING, "no tables")
    if other := [name for name in here if hashlib.sha256((folder / name).read_bytes()).hexdigest() != DIGESTS[name]]:
        return Found(State.DAMAGED, f"{' and '.join(other)} differs from the published table")
    return Found(State.COMPLETE if len(here) == len(DIGESTS) else State.PARTIAL, " and ".join(here))


MELD = Dataset(
    name="meld",
    parts=("text",),
    what="dialogue lines of a TV series, 3 sentiments: 9,989 and 1,109 utterances",
    use="the text expert of live-en; dev is its test",
    licence="GPL-3.0 (repository)",
    consequence="dialogue of a TV series: train and evaluate, keep the tables out of products",
    citation="Poria et al. 2019, MELD: A Multimodal Multi-Party Dataset, ACL",
    home="github.com/declare-lab/MELD",
    files=tuple(
        RemoteFile(name, (f"{ADDRESS}/{name}",), SIZES[name], f"sha256:{digest}") for name, digest in DIGESTS.items()
    ),
    build=build_meld,
    inspect=inspect_meld,
)
