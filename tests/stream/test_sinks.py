"""Sinks: every event in order, a picture that can be looked at, and clear words when a place cannot be written."""

import asyncio
import json
import os
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ebmc_core.modality import MODALITIES, Modality
from stream.errors import SinkError
from stream.event import SentimentEvent
from stream.sinks.sink import SINKS, Sink, sink_from
from stream.sinks.table import complaints, score_bar, trust_bar
from stream.sinks.timeline import latest_words
from tests.stream.events import event

TEXT = frozenset({Modality.TEXT})


def send(sink: Sink, events: list[SentimentEvent]) -> None:
    async def scenario() -> None:
        async with sink:
            for each in events:
                await sink.send(each)

    asyncio.run(scenario())


def run_of_events() -> list[SentimentEvent]:
    subsets = [frozenset(MODALITIES), TEXT, frozenset[Modality]()]
    said = ["so my fellow", "my fellow americans", "fellow americans ask"]
    return [event(i, subsets[i % 3], said[i % 3], (0.1 * (i % 5), 0.4, 0.6 - 0.1 * (i % 5))) for i in range(12)]


def test_json_lines_are_one_event_each_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "events.jsonl"
    send(sink_from(f"jsonl:{path}"), run_of_events())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["window"]["index"] for line in lines] == list(range(12))


def test_json_lines_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    send(sink_from("jsonl:-"), run_of_events()[:2])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_full_disk_is_one_line() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(SinkError, match="No space left on device; free some space") as caught:
        send(sink_from("jsonl:/dev/full"), run_of_events())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("uri", ["jsonl:", "timeline:", "timeline:picture.txt", "mqtt:topic", "table2"])
def test_a_wrong_sink_names_its_mend(uri: str) -> None:
    with pytest.raises(SinkError) as caught:
        sink_from(uri)
    assert "jsonl" in str(caught.value) or "timeline" in str(caught.value)


@pytest.mark.parametrize("scheme", ["jsonl:{}", "timeline:{}.png"])
def test_a_place_that_cannot_be_written_is_known_before_the_run(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match="cannot be written"):
        send(sink_from(scheme.format(tmp_path / "file" / "below")), [])


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_timeline_is_a_picture_of_the_run(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"run.{ending}"
    send(sink_from(f"timeline:{path}"), run_of_events())
    if ending == "svg":
        drawn = path.read_text()
        for written in ("americans", "trust", "90 % interval", *(f"{m} alone" for m in MODALITIES)):
            assert f"<!-- {written} -->" in drawn, written
        return
    from matplotlib.image import imread

    pixels = imread(path)[..., :3]
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 800
    assert len(np.unique((pixels * 255).astype(np.uint8).reshape(-1, 3), axis=0)) > 50


def test_a_run_without_events_leaves_no_picture(tmp_path: Path) -> None:
    send(sink_from(f"timeline:{tmp_path / 'none.png'}"), [])
    assert not (tmp_path / "none.png").exists()


def test_each_word_is_drawn_once_as_it_was_known_last() -> None:
    words = latest_words([event(0, said="a b c"), event(1, said="b c d"), event(8, said="x")])
    assert [word.text for word in words] == ["a", "b", "c", "d", "x"]


def test_the_score_bar_points_to_its_side() -> None:
    negative, positive = event(probabilities=(0.9, 0.1, 0.0)), event(probabilities=(0.0, 0.1, 0.9))
    assert (
        score_bar(negative).plain.index("█")
        < score_bar(negative).plain.index("│")
        < score_bar(positive).plain.index("█")
    )
    assert "?" in score_bar(event(present=frozenset())).plain


def test_the_trust_bar_is_full_when_anything_is_present() -> None:
    assert trust_bar(event()).plain.count("█") == trust_bar(event(present=TEXT)).plain.count("█") == 12
    assert trust_bar(event(present=frozenset())).plain.count("█") == 0
    assert "audio gone" in complaints(event(present=TEXT)).plain


def test_the_table_prints_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    send(sink_from("table"), run_of_events())
    assert len(capsys.readouterr().out.splitlines()) == 13


def test_the_table_moves_on_a_terminal(tmp_path: Path) -> None:
    from stream.sinks.table import TableSink

    sink = TableSink()
    with (tmp_path / "screen").open("w+") as screen:
        sink._console = Console(file=screen, force_terminal=True, width=130, height=40)
        send(sink, run_of_events())
        screen.seek(0)
        shown = screen.read()
    assert "fellow americans" in shown
    assert "gone" in shown


def test_every_sink_in_the_table_can_be_made() -> None:
    where = {"kafka": "//localhost:9092/topic"}
    assert all(sink_from(f"{scheme}:{where.get(scheme, 'x.png')}") for scheme in SINKS)
