"""The one list of modalities. Everything that loops over modalities loops over `MODALITIES`."""

from enum import StrEnum


class Modality(StrEnum):
    """A channel of evidence. The order of the members is the order of every `M` axis."""

    TEXT = "text"
    AUDIO = "audio"
    VIDEO = "video"


MODALITIES: tuple[Modality, ...] = tuple(Modality)


class Sentiment(StrEnum):
    """A class of valence. The order of the members is the order of every `C` axis."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


SENTIMENTS: tuple[Sentiment, ...] = tuple(Sentiment)
