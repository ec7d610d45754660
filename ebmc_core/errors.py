"""The error tree of the whole program; `stream.errors` and `engines.errors` grow from here.

EbmcError                 exit code 2, not retriable
├── FeatureError          a batch with wrong names, shapes, dtypes or values that are not finite
├── CheckpointError       a checkpoint that is missing, damaged or made for another feature contract
└── DataError             training data that is missing, empty, or outside its scale
"""


class EbmcError(Exception):
    """Root of every error a user may see: one line that says what happened and how to mend it."""

    exit_code: int = 2
    retriable: bool = False


class FeatureError(EbmcError):
    """A feature batch does not have the names, shapes or dtypes that the model was built for."""


class CheckpointError(EbmcError):
    """A checkpoint is missing, damaged, or was made for other features."""


class DataError(EbmcError):
    """Training data is missing, empty, not finite, or labelled outside its scale."""
