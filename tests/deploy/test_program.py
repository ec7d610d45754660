"""The check itself: it takes what the program takes, and nothing else."""

import pytest

from tests.deploy.program import parse, settings_from


def test_a_command_line_that_the_program_takes() -> None:
    assert (
        parse(["worker", "--brokers", "kafka:9092", "--in", "media", "--out", "sentiment"])["brokers"] == "kafka:9092"
    )
    assert "names" in parse(["models", "pull"])


@pytest.mark.parametrize("line", ["work", "worker --broker kafka:9092", "models pul", "run clip --window long"])
def test_a_command_line_that_it_does_not_take(line: str) -> None:
    with pytest.raises(BaseException, match=r"(?i)no such|missing|valid number"):
        parse(line.split())


def test_settings_are_read_and_a_misspelt_one_is_found() -> None:
    settings = settings_from({"EBMC_KAFKA_PARTITIONS": "8", "EBMC_HOP": "1", "PATH": "/bin"})
    assert (settings.kafka.partitions, settings.hop) == (8, 1.0)
    with pytest.raises(AssertionError, match=r"EBMC_KAFKA_PARTITION$"):
        settings_from({"EBMC_KAFKA_PARTITION": "8"})
