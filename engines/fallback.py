"""One engine made of several: the first that works answers, and when it fails in use the next takes over at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.errors import FeatureError
from engines.engine import Engine
from engines.errors import EngineAbsent, EngineError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that may be made. make: raises `EngineUnavailable` where it cannot run."""

    name: str
    make: Callable[[], Engine]


class FallbackEngine:
    """Walks its candidates in order. `backend` is always the one that answered last; `skipped` says why not others.

    A batch in whose middle an engine dies is given to the next one: no window is lost. `strict`: raise instead.
    Making it raises `EngineError` when no candidate can be made at all.
    """

    def __init__(self, candidates: Sequence[Candidate], strict: bool = False) -> None:
        self._waiting = list(candidates)
        self._strict = strict
        self._entered = False
        self.skipped: list[tuple[str, str]] = []
        self._name, self._engine = self._next()

    @property
    def backend(self) -> str:
        """The engine that answers now."""
        return self._engine.backend

    @property
    def model(self) -> str:
        """The checkpoint's name."""
        return self._engine.model

    @property
    def digest(self) -> str:
        """The sha256 of the checkpoint's weights."""
        return self._engine.digest

    @property
    def context(self) -> int:
        """The longest `L`."""
        return self._engine.context

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            self._entered = False
            self._engine.__exit__(kind, error, trace)

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row, from the first engine that gives it."""
        while True:
            try:
                return self._engine.infer(batch)
            except FeatureError:
                raise  # the batch is wrong, not the engine
            except Exception as error:
                if self._strict or not self._entered:
                    raise
                self._replace(f"failed in use: {error}", error)

    def _enter(self) -> None:
        """Enter the present engine, or the next one that can be entered."""
        while True:
            try:
                self._engine.__enter__()
                self._entered = True
                return
            except Exception as error:
                if self._strict or not self._waiting:
                    raise
                self._skip(self._name, str(error), expected=False)
                self._name, self._engine = self._next()

    def _replace(self, reason: str, error: Exception) -> None:
        if not self._waiting:
            raise error
        self._entered = False
        try:
            self._engine.__exit__(type(error), error, error.__traceback__)
        except Exception as second:  # a lost driver may not even let go; that must not stop the next engine
            log.debug("engine %s did not close: %s", self._name, second)
        self._skip(self._name, reason, expected=False)
        self._name, self._engine = self._next()
        self._enter()
        log.warning("engine %s answers from here on", self.backend)

    def _next(self) -> tuple[str, Engine]:
        """The next candidate that can be made."""
        while self._waiting:
            candidate = self._waiting.pop(0)
            try:
                return candidate.name, candidate.make()
            except EngineError as error:
                self._skip(candidate.name, str(error), expected=isinstance(error, EngineAbsent))
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.skipped)
        raise EngineError(f"no engine runs on this machine ({reasons})")

    def _skip(self, name: str, reason: str, expected: bool) -> None:
        self.skipped.append((name, reason))
        log.log(logging.INFO if expected else logging.WARNING, "engine %s skipped: %s", name, reason)
