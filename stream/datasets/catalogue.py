"""The table of data sets, by the name of their folder."""

from ebmc_core.errors import DataError
from stream.datasets.dataset import Dataset
from stream.datasets.faces import FACES
from stream.datasets.meld import MELD
from stream.datasets.mosi import MOSI
from stream.datasets.ravdess import RAVDESS

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in (FACES, RAVDESS, MELD, MOSI)}
PARTS = tuple(dict.fromkeys(part for dataset in DATASETS.values() for part in dataset.parts))


def find_dataset(name: str) -> Dataset:
    """The data set of that name; raises `DataError` that lists the names there are."""
    if name not in DATASETS:
        raise DataError(f"no data set is called {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]
