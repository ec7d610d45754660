"""Speech drawn as text: `#` is speech, `_` is not, `~` is speech that the network is hardly sure of."""

from hypothesis import strategies as st

from stream.speech.vad import SpeechChunk

STEP = 0.1  # seconds per character

TIMELINES = st.lists(
    st.tuples(st.sampled_from("#_~"), st.integers(1, 60)).map(lambda run: run[0] * run[1]), min_size=1, max_size=12
).map("".join)


def timeline(drawn: str, start: float = 0.0) -> list[SpeechChunk]:
    """The chunks of a drawing."""
    sure = {"#": 0.95, "_": 0.02, "~": 0.55}
    return [
        SpeechChunk(start + index * STEP, start + (index + 1) * STEP, sure[mark]) for index, mark in enumerate(drawn)
    ]
