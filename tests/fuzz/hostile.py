"""What somebody hostile, or a broken disk, makes of good input."""

import copy
import json
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400, True),
    *(-0.0, 0.5, -1.5, 5.0, 1e-320, 1e16, 1e300, 1.7e308, math.inf, -math.inf, math.nan),
)
TEXTS = (
    *("", " ", "\0", "\n", "a\r\nb", "\x1b[2J\x1b]0;title\x07", "\u202e\u200b", "\ud800", "\udfff\ud800", "\ufeff"),
    *("../../etc/passwd", "/dev/stdin", "nan", "1e999", "-0", "0x10", "1_000", "٣", "[red]x[/red]", "%s%n", "x" * 5000),
    *("{}", "null", "true", "'; DROP TABLE waiting; --", "$(id)", "é", "\u2028"),
)
SPECIAL = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff" * 8, b"9" * 20)


def scalars() -> st.SearchStrategy[Any]:
    """Values that no object should hold, and some that it should."""
    numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
    return st.none() | st.booleans() | numbers | texts() | st.builds(list) | st.builds(dict)


def texts() -> st.SearchStrategy[str]:
    """Text of any kind, lone surrogates and control characters too."""
    return st.sampled_from(TEXTS) | st.text(st.characters(), max_size=12)


def values() -> st.SearchStrategy[Any]:
    """Scalars, and small lists and objects of them."""
    return st.recursive(
        scalars(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=6
    )


@st.composite
def changed(draw: st.DrawFn, good: Any) -> Any:
    """A JSON document in which one to three places are replaced, removed or added."""
    document = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        document = _change(draw, document)
    return document


def _change(draw: st.DrawFn, document: Any) -> Any:
    places = list(_places(document))
    if not places:
        return draw(values())
    parent, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(("replace", "replace", "replace", "remove", "add"))):
        case "replace":
            parent[key] = draw(values())
        case "remove":
            del parent[key]
        case _ if isinstance(parent, dict):
            parent[draw(texts())] = draw(values())
        case _:
            parent.append(draw(values()))
    return document


def _places(document: Any) -> Any:
    if not isinstance(document, dict | list):
        return
    pairs = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(pairs):
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value)


@st.composite
def mutated(draw: st.DrawFn, good: bytes, most: int = 4) -> bytes:
    """Bytes with up to `most` faults: bits turned, pieces cut, repeated, put in or written over."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("flip", "flip", "write", "write", "cut", "remove", "insert", "repeat"))):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "write":
                piece = draw(st.sampled_from(SPECIAL) | st.binary(min_size=1, max_size=8))
                data[at : at + len(piece)] = piece
            case "cut":
                del data[at:]
            case "remove":
                del data[at : at + draw(st.integers(1, 64))]
            case "insert":
                data[at:at] = draw(st.sampled_from(SPECIAL) | st.binary(min_size=1, max_size=16))
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
    return bytes(data)


@st.composite
def json_texts(draw: st.DrawFn, good: Any) -> bytes:
    """JSON, or nearly: a changed document, one with a key twice, damaged bytes of it, or one that nests without end."""
    match draw(st.sampled_from(("changed", "changed", "changed", "changed", "damaged", "twice", "deep", "any"))):
        case "changed":
            return _dumped(draw(changed(good)))
        case "damaged":
            return draw(mutated(_dumped(good)))
        case "twice" if isinstance(good, dict):
            again = json.dumps({draw(st.sampled_from(sorted(good))): draw(scalars())})
            return _dumped(good)[:-1] + b"," + again.encode("utf-8", "surrogatepass")[1:]
        case "deep":
            depth = draw(st.sampled_from((500, 990, 5_000, 100_000)))
            opened, closed = draw(st.sampled_from((("[", "]"), ('{"a":', "}"))))
            core = opened * depth + "1" + closed * depth
            return core.encode() if draw(st.booleans()) else f'{{"deep": {core}, "type": "close"}}'.encode()
        case _:
            return draw(st.binary(max_size=60))


def _dumped(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=True)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def headers_like(
    draw: st.DrawFn, good: Sequence[tuple[str, bytes]], extra: Sequence[str] = ()
) -> list[tuple[str, bytes | None]]:
    """Kafka headers: some of the good ones replaced, left out, repeated, or without a value."""
    names = st.sampled_from([*(name for name, _ in good), *extra]) | texts().filter(_encodable)
    found: list[tuple[str, bytes | None]] = list(good)
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(("set", "set", "set", "remove", "none"))):
            case "set":
                found.append((draw(names), draw(header_values())))
            case "none":
                found.append((draw(names), None))
            case _:
                gone = draw(names)
                found = [(name, value) for name, value in found if name != gone]
    return found


def header_values() -> st.SearchStrategy[bytes]:
    """What a header can hold: numbers and words of all kinds, as text, and bytes."""
    spoken = st.sampled_from([str(number).encode() for number in NUMBERS if number != 10**400])
    long = st.sampled_from([b"9" * 400, b"9" * 4_300, b"9" * 5_000, b"1e400", b" 1 ", b"1" + b"0" * 308])
    return spoken | long | texts().map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=12)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
