"""A small MOSI with a known structure: videos lean one way, text tells most, the rest little."""

from pathlib import Path

import numpy as np

WIDTHS = {"released": 12, "audio": 10, "video": 8}


def write_mosi(folder: Path, **changes: object) -> Path:
    """Write `folder/mosi.npz`: 30 videos of 5 to 12 utterances. changes: columns that replace those made here."""
    generator = np.random.default_rng(0)
    names, labels, splits = [], [], []
    for video in range(30):
        count = int(generator.integers(5, 13))
        lean = generator.uniform(0.1, 0.9)
        names += [f"video-{video}"] * count
        label = (generator.random(count) < lean).astype(np.int8)
        label[:2] = (0, 1)
        labels += label.tolist()
        splits += ["train" if video < 18 else "validation" if video < 24 else "test"] * count
    label = np.array(labels, np.int8)
    told = {"released": 1.2, "audio": 0.4, "video": 0.3}
    values = {
        name: (generator.standard_normal((len(label), width)) + told[name] * (2.0 * label[:, None] - 1)).astype(
            np.float32
        )
        for name, width in WIDTHS.items()
    }
    columns = {
        **values,
        "minilm": values["released"],
        "label": label,
        "name": np.array(names),
        "split": np.array(splits),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mosi.npz", **{**columns, **changes})
    return folder
