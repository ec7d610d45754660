"""Errors of the stream room; the root is `ebmc_core.errors.EbmcError`.

EbmcError
├── SourceError           a source cannot be opened or decoded            exit code 2
│   └── SourceLost        a source that ran is gone for good              exit code 3
├── SinkError             a sink cannot be opened or written              exit code 2
│   └── SinkLost          a sink that ran is gone for good                exit code 3
├── EventError            what was read is not an event                   counted by the client
├── SettingsError         a setting or an option has no such value        exit code 2
└── WeightsError          model weights are missing, damaged or out of reach   exit code 2
"""

from ebmc_core.errors import EbmcError

INTERRUPTED = 130  # exit code after Ctrl-C, when everything was drained and closed


class SourceError(EbmcError):
    """A source cannot be opened or decoded."""


class SourceLost(SourceError):
    """A source that was running is gone for good."""

    exit_code = 3


class SinkError(EbmcError):
    """A sink cannot be opened or written."""


class SinkLost(SinkError):
    """A sink that was running is gone for good."""

    exit_code = 3


class EventError(EbmcError):
    """What was read is not an event of the schema version that this reader knows."""


class SettingsError(EbmcError):
    """A setting or an option has a value that does not exist; the message lists those that do."""


class WeightsError(EbmcError):
    """Model weights are missing, do not match their checksum, or cannot be fetched."""
