"""`ebmc ingest`: a source into chunks of media on a Kafka topic."""

from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from stream.cli.options import Log, LogLevel, MetricsAddress
from stream.cli.terminal import beside, complain, one_line_errors, say
from stream.logs import LogStyle, logging_to

LOST = {
    "too-large": "too large; let the topic take 8388608 bytes (max.message.bytes), or make chunks shorter (--length)",
    "spill-full": "more waited for the brokers than EBMC_KAFKA_SPILL_MIB allows",
    "expired": "they waited for the brokers for longer than EBMC_KAFKA_SPILL_AGE",
    "not-authorized": "we may not write to the topic",
}


def ingest_command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As for [b]ebmc run[/b]: a file, a camera, an address, [b]-[/b].")
    ],
    brokers: Annotated[str, typer.Option(metavar="HOST:PORT", help="Any of the cluster's; several with commas.")],
    topic: Annotated[str, typer.Option(help="Topic for the chunks; made if it is missing.")],
    stream: Annotated[str | None, typer.Option(help="The stream's id. Default: the name of the source.")] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime/--fast", help="Pace a file by its timestamps, or as fast as it can be sent.")
    ] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin a file again at its end, as a new run. A live source has no end.")
    ] = False,
    length: Annotated[float, typer.Option(min=0.2, max=30.0, help="Length of a chunk, seconds.")] = 1.0,
    encode: Annotated[
        bool, typer.Option("--encode", help="Encode anew even what could be copied: chunks of even length.")
    ] = False,
    stats: Annotated[bool, typer.Option("--stats", help="Say at the end what was sent.")] = False,
    metrics: MetricsAddress = None,
    log: Log = LogStyle.TEXT,
    log_level: LogLevel = "warning",
) -> None:
    """Cut a source into short chunks on a Kafka topic, for `ebmc worker`. No model runs here.

    A file whose pictures can be decoded from every second or so on is copied, and so is a stream from the network of
    H.264, HEVC, VP8 or VP9 with a key frame every 4 s at least; its chunks begin at key frames. Anything else is
    encoded anew: ten pictures a second and 16 kHz sound, which is what is analysed. While the brokers are away, chunks
    are kept on disk.

    Examples:

      ebmc ingest talk.mp4 --brokers localhost:9092 --topic media

      ebmc ingest clip --realtime --loop --brokers localhost:9092 --topic media

      ebmc ingest rtsp://camera.local/stream --brokers localhost:9092 --topic media --stream cam-1 \
        --metrics 127.0.0.1:9464
    """
    with one_line_errors(), logging_to(log, log_level):
        from stream.health import address_from
        from stream.kafka.address import Address, brokers_from, topic_from
        from stream.kafka.library import require
        from stream.settings import load_settings
        from stream.sources.source import source_from

        require()
        from stream.chunks.errand import Ingest
        from stream.chunks.ingest import ingest

        listening = address_from(metrics) if metrics is not None else None
        settings = load_settings()
        opened = source_from(source, settings)
        address = Address(brokers_from(brokers), topic_from(topic))
        this = Ingest(opened, address, settings, stream or opened.name, length, realtime, loop, encode, listening)
        with Live(console=beside, transient=True, auto_refresh=False) as shown:
            if beside.is_terminal:
                this.progress = lambda now: shown.update(Text(_line(now)), refresh=True)
            ingest(this, say)
    if this.broken:
        complain(str(this.broken))
    for why, count in this.lost.items():
        complain(f"{count} chunks are lost: {LOST.get(why, why)}")
    if this.left:
        complain(f"{this.left} chunks wait on disk for the brokers; the next ebmc ingest to {address} sends them first")
    if stats:
        say(_line(this))
    raise typer.Exit(this.exit_code)


def _line(this: "object") -> str:
    from stream.chunks.errand import Ingest

    assert isinstance(this, Ingest)
    how = "copied" if this.copied else "encoded anew"
    late = f", {this.late} frames came too late" if this.late else ""
    return f"{this.stream}: {this.media:.1f} s, {this.chunks} chunks, {this.size / 1e6:.1f} MB, {how}{late}"
