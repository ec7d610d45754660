"""Who gets which events, and that nothing of a stream is kept once it is over. No server is started."""

import asyncio
from dataclasses import replace

from stream.server.hub import KEPT, WAITING, Hub, Reader
from tests.stream.events import event


def publish(hub: Hub, stream: str, *indices: int) -> None:
    for index in indices:
        asyncio.run(hub.send(event(index, stream=stream)))


def taken(reader: Reader) -> list[str]:
    """What waits for a reader, `stream/index`."""
    events = asyncio.run(reader.receive_many(1000)) if len(reader) else []
    return [f"{one.event.window.stream}/{one.event.window.index}" for one in events]


def test_a_reader_gets_its_stream_or_all() -> None:
    hub = Hub()
    hub.begin("a")
    hub.begin("b")
    with hub.reader("a") as one, hub.reader() as every:
        publish(hub, "a", 0)
        publish(hub, "b", 0)
        assert taken(one) == ["a/0"]
        assert taken(every) == ["a/0", "b/0"]
    assert hub.reading == 0


def test_an_early_event_goes_to_those_who_asked_and_is_not_kept() -> None:
    hub = Hub()
    hub.begin("a")
    with hub.reader("a", early=True) as hasty, hub.reader("a") as patient, hub.reader() as every:
        publish(hub, "a", 0)
        asyncio.run(hub.send(replace(event(1, stream="a"), early=True)))
        assert hub.event("a", 1) is None
        assert hub.streams() == {"a": 1}
        publish(hub, "a", 1)
        assert taken(hasty) == ["a/0", "a/1", "a/1"]
        assert taken(patient) == taken(every) == ["a/0", "a/1"]


def test_a_stream_ends_with_its_last_window_whichever_is_known_first() -> None:
    hub = Hub()
    for name, known_before in (("early", True), ("late", False)):
        hub.begin(name)
        with hub.reader(name) as reader:
            publish(hub, name, 0)
            if known_before:
                hub.end(name, 2)
                assert not reader.closed
            publish(hub, name, 1)
            if not known_before:
                hub.end(name, 2)
            assert reader.closed
            assert taken(reader) == [f"{name}/0", f"{name}/1"]
        assert hub.event(name, 1) is None
    assert hub.streams() == {}


def test_a_stream_without_a_window_ends_at_once() -> None:
    hub = Hub()
    hub.begin("short")
    with hub.reader("short") as reader:
        hub.end("short", 0)
        assert reader.closed


def test_what_comes_after_the_end_is_not_kept() -> None:
    hub = Hub()
    hub.begin("gone")
    hub.forget("gone")
    publish(hub, "gone", 0)
    assert hub.streams() == {}


def test_what_is_kept_and_what_waits_is_bounded() -> None:
    hub = Hub()
    hub.begin("long")
    with hub.reader("long") as reader:
        publish(hub, "long", *range(KEPT + 10))
        assert hub.event("long", 9) is None
        assert hub.event("long", 10) is not None
        assert len(reader) == WAITING
        assert taken(reader)[-1] == f"long/{KEPT + 9}"


def test_a_reader_that_was_away_goes_on_after_its_last_event_and_with_its_own_stream_alone() -> None:
    hub = Hub()
    hub.begin("a")
    hub.begin("b")
    for index in range(3):
        publish(hub, "a", index)
        publish(hub, "b", index)
    last = hub.event("a", 0)
    assert last is not None

    def missed(stream: str = "") -> list[str]:
        found = hub.after(last.event.event_id, stream)
        return [f"{one.event.window.stream}/{one.event.window.index}" for one in found]

    assert missed() == ["b/0", "a/1", "b/1", "a/2", "b/2"]
    assert missed("a") == ["a/1", "a/2"]
    assert missed("b") == [], "the event that it names is not of this stream"
    assert hub.after("nobody/000000/0000") == []
