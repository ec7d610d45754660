"""The words of one stretch of speech, from the first guess to the last final word. Pure: no model, no clock.

Its sound lies in three parts, and a pass reads the last two:

    final, sound gone   | final, read as context | tentative
                        ^ here the next pass begins; the decoder is given the final words and says what follows
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stream.records import Utterance, Word
from stream.speech.agreement import agreed, repeated
from stream.speech.asr import Piece

CONTEXT = 1.0  # seconds of final words whose sound is read again, for the sake of those that follow
LONGEST_READ = 14.0  # seconds; older sound that gave no final word is given up
CERTAIN = 0.8  # seconds of voice in which nobody says nothing
UNDECIDED = 8.0  # seconds; passes that did not agree for so long will not


@dataclass(frozen=True, slots=True)
class Request:
    """Sound to recognise: `[start, end)` in event time. It begins with words that are final already.

    known: their tokens. known_end: event time at which they end. voiced: seconds of voice after that.
    """

    start: float
    end: float
    known: tuple[int, ...] = ()
    known_end: float = 0.0
    voiced: float = 0.0


@dataclass(frozen=True, slots=True)
class _Heard:
    """A word and what it is for the decoder."""

    word: Word
    tokens: tuple[int, ...]


class Stretch:
    """Speech without a long silence in it, which may be cut into several utterances.

    wanted: how far it shall be read. asked, read: how far passes over it were begun, and applied. closed: it is over.
    """

    def __init__(self, start: float, context: float = CONTEXT) -> None:
        self.wanted = self.asked = self.read = start
        self.closed = False
        self._bounds = [start]  # where its utterances begin; those that were handed over are gone
        self._buffer = start
        self._settled = float("-inf")
        self._span = context
        self._finals: list[Word] = []
        self._context: list[_Heard] = []
        self._tentative: list[_Heard] = []
        self._spoken: list[str] = []  # the last final words
        self._final_end = start

    @property
    def due(self) -> bool:
        """Whether there is something to read that was not asked for."""
        return self.wanted > self.asked

    @property
    def complete(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.closed and not self.due and self.read >= self.asked

    def begin(self, end: float) -> Request:
        """The pass that reads it up to `end`."""
        oldest = end - LONGEST_READ
        self._give_up(oldest)
        while self._context and (
            self._context[0].word.end <= self._final_end - self._span or self._context[0].word.start < oldest
        ):
            gone = self._context.pop(0).word.end
            self._buffer = (gone + self._context[0].word.start) / 2 if self._context else gone
        self._buffer = min(max(self._buffer, oldest), end)
        self.asked = end
        tokens = tuple(token for heard in self._context for token in heard.tokens)
        return Request(self._buffer, end, tokens, self._context[-1].word.end if self._context else self._buffer)

    def apply(self, pieces: Sequence[Piece], request: Request) -> None:
        """The pass is over and gave these words. None of them unsay nothing: noise may have spoiled it."""
        heard = self._placed(pieces, request.start)
        if not request.known:
            heard = heard[repeated(self._spoken, [one.word.text for one in heard]) :]
        self.read = request.end
        if heard:
            before, self._tentative = self._tentative, heard
            self._finalise(agreed([one.word.text for one in before], [one.word.text for one in heard]))
        elif request.voiced >= CERTAIN:  # the decoder takes the known words for the end: the next pass goes without
            self._context, self._buffer = [], self._final_end
        self._give_up(request.end - UNDECIDED)
        self.settle(self._settled)

    def settle(self, until: float) -> None:
        """Everything that was said before `until` is complete: its words are final once they are read."""
        self._settled = max(self._settled, until)
        if self.asked > self.read:  # the running pass was told what is final, and that must stay true
            return
        if self.complete:
            self._finalise(len(self._tentative))
        elif self.read >= self._settled:
            self._finalise(sum(one.word.start < self._settled for one in self._tentative))

    def cut(self, place: float) -> None:
        """An utterance ends here and the next one begins."""
        self._bounds.append(place)

    def close(self, end: float) -> None:
        """It is over."""
        self.closed = True
        self._bounds.append(max(end, self._bounds[-1]))
        self.settle(end)

    def skip(self, place: float) -> "Stretch | None":
        """Leave out what was not asked for before `place`; what follows is a stretch of its own, if there is any."""
        rest = None
        if not self.closed or place < self._bounds[-1]:
            rest = Stretch(place, self._span)
            rest.wanted = max(self.wanted, place)
            if self.closed:
                rest.close(self._bounds[-1])
        self.wanted = self.asked
        self._bounds = [bound for bound in self._bounds if bound < self.asked] or self._bounds[:1]
        self.close(self.asked)
        return rest

    def hand_over(self) -> list[Utterance]:
        """The utterances that will not change any more; they are forgotten here."""
        count = len(self._bounds) - 1 if self.complete else self._decided()
        done = [replace(said, final=True) for said in self.utterances()[:count]]
        said = sum(len(one.words) for one in done)
        self._finals, self._bounds = self._finals[said:], self._bounds[count:]
        return done

    def utterances(self) -> list[Utterance]:
        """The utterances as they are known now, also those that have no words."""
        words = [*self._finals, *(one.word for one in self._tentative)]
        ends = [*self._bounds[1:], *([] if self.closed else [max(self.read, self._bounds[-1])])]
        found: list[Utterance] = []
        for number, (start, end) in enumerate(zip(self._bounds, ends, strict=False)):
            last = number == len(ends) - 1
            count = len(words) if last else sum((word.start + word.end) / 2 < end for word in words)
            found.append(Utterance(start, end, tuple(words[:count]), False))
            words = words[count:]
        return found

    def _decided(self) -> int:
        """How many utterances lie before a cut that a final word has passed, or so far back that nothing is read."""
        last = self._finals[-1] if self._finals else None
        place = max((last.start + last.end) / 2 if last else self._bounds[0], self.read - LONGEST_READ)
        return sum(bound <= place for bound in self._bounds[1:])

    def _placed(self, pieces: Sequence[Piece], start: float) -> list[_Heard]:
        """The words on the event clock, none before the last final one."""
        found: list[_Heard] = []
        for piece in pieces:
            begin = max(start + piece.start, self._final_end)
            word = Word(begin, max(start + piece.end, begin), piece.text, piece.probability, False)
            found.append(_Heard(word, piece.tokens))
        return found

    def _finalise(self, count: int) -> None:
        for one in self._tentative[:count]:
            word = replace(one.word, final=True)
            self._finals.append(word)
            self._context.append(replace(one, word=word))
            self._spoken = [*self._spoken[-3:], word.text]
            self._final_end = max(self._final_end, word.end)
        self._tentative = self._tentative[count:]

    def _give_up(self, before: float) -> None:
        """Words that ended before this time are final although no two passes agreed on them."""
        self._finalise(sum(one.word.end <= before for one in self._tentative))
