"""What a stream hears: the same calls give the same words, however fast recognition is; live sound never waits."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream.front_ends import FrontEnds
from stream.hearing import HeardWindow, Hearing
from stream.records import AUDIO_RATE, AudioFrame, State, Utterance, Window
from stream.speech.asr import Hypothesis, Recogniser
from tests.stream.feeds import sound
from tests.stream.speech_clips import Samples, read_sound

DEADLINE = 60.0
REACH = 10.0


class Held(Recogniser):
    """The real recogniser, which does not begin a pass before it is let."""

    def __init__(self, real: Recogniser, broken: int = -1) -> None:
        self.__dict__ = real.__dict__.copy()
        self._go, self._broken, self._calls = threading.Semaphore(0), broken, 0

    def let(self, passes: int = 1000) -> None:
        self._go.release(passes)

    def read(self, samples: Samples, known: Sequence[int] = (), voiced: float = 28.0) -> Hypothesis:
        assert self._go.acquire(timeout=DEADLINE)
        self._calls += 1
        if self._calls - 1 == self._broken:
            raise RuntimeError("the model broke")
        return super().read(samples, known, voiced)


@pytest.fixture(scope="module")
def kennedy(clip: Path) -> list[AudioFrame]:
    """Eleven seconds as frames of 0.1 s."""
    return sound(read_sound(clip)[: 11 * AUDIO_RATE])


def window(end: float) -> Window:
    return Window("feed", round(end * 2) - 8, end - 4.0, end)


def nothing() -> None: ...


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), DEADLINE))


def text(utterances: Sequence[Utterance]) -> str:
    return " ".join(said.text for said in utterances)


async def patiently(front: FrontEnds, frames: Sequence[AudioFrame]) -> list[tuple[Utterance, ...]]:
    """What the windows of a file say, one every half second."""
    hearing, windows = Hearing(front, REACH, True, nothing), list[HeardWindow]()
    for number, frame in enumerate(frames, 1):
        await hearing.take(frame)
        if number % 5 == 0:
            windows.append(await hearing.close_window(window(number / 10)))
    await hearing.finish()
    windows.append(await hearing.close_window(window(len(frames) / 10)))
    found = [await one.utterances for one in windows]
    await hearing.close()
    return found


def test_a_file_says_the_same_twice_and_ends_with_every_word_final(front: FrontEnds, kennedy: list[AudioFrame]) -> None:
    async def test() -> None:
        once, twice = await patiently(front, kennedy), await patiently(front, kennedy)
        assert once == twice
        assert all(said.final and all(word.final for word in said.words) for said in once[-1])
        assert text(once[-1]).lower().endswith("what you can do for your country.")
        assert text(once[1]) != "" and not once[1][0].final  # one second in, half a second after the first word

    run(test)


def test_the_order_of_calls_decides_and_not_the_speed_of_recognition(
    front: FrontEnds, kennedy: list[AudioFrame]
) -> None:
    async def live(slow: bool) -> list[tuple[Utterance, ...]]:
        held = Held(front.recogniser)
        woken = asyncio.Event()
        hearing = Hearing(replace(front, recogniser=held), REACH, False, woken.set)
        found: list[tuple[Utterance, ...]] = []
        for number, frame in enumerate(kennedy[:60], 1):
            await hearing.take(frame)
            if not slow:
                held.let()  # it is done before anything asks
            if number % 5 == 0:
                if not slow and hearing.counts.passes and not found[-1:] == [()] and number == 10:
                    await woken.wait()
                found.append(await (await hearing.close_window(window(number / 10))).utterances)
            if number % 7 == 0:
                held.let()
                await hearing.hear()
        await hearing.finish()
        found.append(await (await hearing.close_window(window(6.0))).utterances)
        await hearing.close()
        return found

    async def test() -> None:
        fast, slow = await live(False), await live(True)
        assert fast == slow
        assert text(fast[-1]).lower().startswith("and so my fellow")

    run(test)


def test_live_sound_never_waits_for_recognition(front: FrontEnds, kennedy: list[AudioFrame]) -> None:
    async def test() -> None:
        held, woken = Held(front.recogniser), asyncio.Event()
        hearing = Hearing(replace(front, recogniser=held), REACH, False, woken.set)
        for frame in kennedy[:20]:
            await hearing.take(frame)
        closed = await hearing.close_window(window(2.0))
        assert closed.utterances.done() and await closed.utterances == ()
        assert hearing.counts.passes == 1 and not woken.is_set()
        held.let()
        await woken.wait()
        assert await (await hearing.close_window(window(2.0))).utterances == ()  # nobody came to hear
        await hearing.hear()
        assert "and" in text(await (await hearing.close_window(window(2.0))).utterances).lower()
        await hearing.finish()
        await hearing.close()

    run(test)


def test_a_file_is_read_beside_the_rest(front: FrontEnds, kennedy: list[AudioFrame]) -> None:
    async def test() -> None:
        held = Held(front.recogniser)
        hearing = Hearing(replace(front, recogniser=held), REACH, True, nothing)
        for frame in kennedy[:40]:
            await hearing.take(frame)
        closed = await hearing.close_window(window(4.0))
        assert not closed.utterances.done()
        held.let()
        assert text(await closed.utterances).lower().startswith("and so my fellow americans")
        await hearing.close()

    run(test)


@pytest.mark.parametrize("patient", [True, False])
def test_a_pass_that_breaks_costs_one_window(front: FrontEnds, kennedy: list[AudioFrame], patient: bool) -> None:
    async def test() -> None:
        held = Held(front.recogniser, broken=0)
        hearing = Hearing(replace(front, recogniser=held), REACH, patient, nothing)
        held.let()
        for frame in kennedy[:12]:
            await hearing.take(frame)
        await hearing.hear()
        with pytest.raises(RuntimeError, match="the model broke"):
            await (await hearing.close_window(window(4.0))).utterances
        for frame in kennedy[12:40]:
            await hearing.take(frame)
            await hearing.hear()
        assert text(await (await hearing.close_window(window(4.0))).utterances).lower().startswith("and so")
        await hearing.finish()
        await hearing.close()

    run(test)


def test_recognition_that_is_behind_skips_and_says_so_once(
    front: FrontEnds, kennedy: list[AudioFrame], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        held = Held(front.recogniser)
        hearing = Hearing(replace(front, recogniser=held, lag=2.0), REACH, False, nothing)
        skipped = 0.0
        for number, frame in enumerate(kennedy, 1):
            await hearing.take(frame)
            if number % 5 == 0:
                skipped = max(skipped, (await hearing.close_window(window(number / 10))).skipped)
        assert hearing.counts.skips >= 2 and hearing.counts.skipped >= skipped > 0.5
        held.let()
        await hearing.finish()
        said = await (await hearing.close_window(window(11.0))).utterances
        assert said and all(one.final for one in said), "nothing waits for what was skipped"
        assert "country" in text(said).lower()
        await hearing.close()

    with caplog.at_level(logging.WARNING):
        run(test)
    assert [record.message for record in caplog.records] == [
        "feed: speech recognition is behind and skips to the newest speech"
    ]


def test_without_a_recogniser_there_are_features_and_no_words(front: FrontEnds, kennedy: list[AudioFrame]) -> None:
    async def test() -> None:
        for patient in (True, False):
            hearing = Hearing(replace(front, transcribing=False), REACH, patient, nothing)
            for frame in kennedy[:45]:
                await hearing.take(frame)
            closed = await hearing.close_window(window(4.0))
            assert await closed.utterances == () and closed.skipped == 0.0
            audio = await closed.audio
            assert audio.state is not State.MISSING and np.abs(audio.values).sum() > 0
            assert closed.speech[-1].end <= 4.0 + 0.04 and any(chunk.speech for chunk in closed.speech)
            await hearing.finish()
            await hearing.close()

    run(test)


def test_closing_while_a_pass_is_under_way(front: FrontEnds, kennedy: list[AudioFrame]) -> None:
    async def test() -> None:
        held = Held(front.recogniser)
        for patient in (True, False):
            hearing = Hearing(replace(front, recogniser=held), REACH, patient, pytest.fail)
            for frame in kennedy[:30]:
                await hearing.take(frame)
            await hearing.close()
        held.let()
        await front.listening.run(nothing)  # what was under way ends, and wakes nobody

    run(test)


def test_sound_that_is_not_a_number_is_silence(front: FrontEnds) -> None:
    async def test() -> None:
        bad = sound(np.full(3 * AUDIO_RATE, np.nan, np.float32))
        assert all(said == () for said in await patiently(front, bad))

    run(test)
