"""`ebmc dlq`: records that a worker gave up, and what becomes of them."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ebmc_core.errors import EbmcError
from stream.cli.terminal import one_line_errors, say

if TYPE_CHECKING:
    from stream.chunks.choice import Choice
    from stream.chunks.dead_topic import Entry
    from stream.chunks.listing import Row
    from stream.chunks.replay import Replay
    from stream.kafka.options import KafkaSettings

dlq_app = typer.Typer(
    help="Dead letters: chunks of media that `ebmc worker` gave up. See what is wrong with them, and try them again.",
    no_args_is_help=True,
)

Brokers = Annotated[str, typer.Option(metavar="HOST:PORT[,…]", help="Any of the cluster's brokers.")]
Topic = Annotated[str, typer.Option(help="The topic of the chunks; its dead letters are on TOPIC.dlq.")]


@dlq_app.command("list")
def list_command(
    brokers: Brokers,
    topic: Topic,
    whole: Annotated[bool, typer.Option("--all", help="Those too that were replayed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")] = False,
) -> None:
    """The dead letters of a topic: which stream, what was wrong, how often it was tried."""
    with one_line_errors():
        from stream.kafka.library import require
        from stream.settings import load_settings

        require()
        from stream.chunks.listing import table_of

        rows = asyncio.run(_rows(brokers, topic, load_settings().kafka, whole))
        if as_json:
            for row in rows:
                typer.echo(json.dumps(row.as_dict(), ensure_ascii=False))
        elif rows:
            Console().print(table_of(rows))
        else:
            say("no dead letters" if whole else "no dead letters that were not replayed; --all shows those that were")


@dlq_app.command("replay")
def replay_command(
    brokers: Brokers,
    topic: Topic,
    cause: Annotated[list[str] | None, typer.Option(help="Only with this cause; repeatable.")] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Only of this stream; repeatable.")] = None,
    offset: Annotated[
        list[str] | None,
        typer.Option(metavar="PARTITION:OFFSET", help="Only this one, as [b]list[/b] names it; repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
) -> None:
    """Send dead letters back to the topic they came from, to be tried again.

    A letter goes back with its key, value and headers, but begins a run of its own: run X becomes X.replay-N after N
    tries. The windows around it are already among the events of run X, and a reader drops what comes twice.

    What was replayed is remembered on the brokers (group ebmc-dlq), per partition up to the first letter that was not
    sent. Letters that a filter picked from beyond that are sent again by the next replay that picks them.
    """
    with one_line_errors():
        from stream.kafka.library import require
        from stream.settings import load_settings

        require()
        from stream.chunks.choice import Choice
        from stream.chunks.listing import Row, table_of

        choice = Choice.parse(cause or (), stream or (), offset or ())
        settings = load_settings().kafka
        if not dry_run:
            if asyncio.run(_replay(brokers, topic, settings, choice)).refused:
                raise typer.Exit(EbmcError.exit_code)
            return
        chosen, line = asyncio.run(_look(brokers, topic, settings, choice))
        if chosen:
            Console().print(table_of(Row.of(entry) for entry in chosen))
        typer.echo(line)


async def _rows(brokers: str, topic: str, settings: "KafkaSettings", whole: bool) -> "list[Row]":
    from stream.chunks.dead_topic import opened
    from stream.chunks.listing import Row

    async with opened(brokers, topic, settings) as dead:
        start = dict.fromkeys(await dead.marks(), 0) if whole else await dead.marks()
        rows = [Row.of(entry) async for batch in dead.batches(start) for entry in batch]
    return sorted(rows, key=lambda row: (row.partition, row.offset))


async def _look(brokers: str, topic: str, settings: "KafkaSettings", choice: "Choice") -> "tuple[list[Entry], str]":
    from stream.chunks.dead_topic import opened
    from stream.chunks.replay import Replayer

    async with opened(brokers, topic, settings) as dead:
        replayer = Replayer(dead, choice)
        chosen = await replayer.look()
    chosen.sort(key=lambda entry: (entry.partition, entry.offset))
    return chosen, replayer.done.line(dead.topic, dry=True)


async def _replay(brokers: str, topic: str, settings: "KafkaSettings", choice: "Choice") -> "Replay":
    from stream.chunks.dead_topic import opened
    from stream.chunks.replay import Replayer

    whole = False
    async with opened(brokers, topic, settings) as dead:
        replayer = Replayer(dead, choice)
        try:
            await replayer.send(brokers, settings)
            whole = True
        finally:
            if whole or replayer.done.sent:  # also when it broke off, before the line that says why
                typer.echo(replayer.done.line(dead.topic, dry=False))
    return replayer.done
