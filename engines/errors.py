"""Errors of the engines room; the root is `ebmc_core.errors.EbmcError`.

EngineError               an engine failed to load or to infer
└── EngineUnavailable     this machine cannot run that engine; the message says what it lacks
    └── EngineAbsent      because its hardware or its library is not there at all: nothing is wrong
"""

from ebmc_core.errors import EbmcError


class EngineError(EbmcError):
    """An engine failed to load or to infer."""


class EngineUnavailable(EngineError):
    """This machine cannot run that engine; the message says what it lacks and how to get it."""


class EngineAbsent(EngineUnavailable):
    """The GPU or the library of that engine is not here, which is usual."""
