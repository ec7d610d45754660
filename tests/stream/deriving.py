"""What a registry entry may run over its fetched folder: one file is made of another."""

import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "derived.txt").write_text(str((folder / "model.bin").stat().st_size))
