"""Words from outside, for a terminal and for logs: nothing in them moves a cursor, or looks like a line of ours."""


def printable(text: str) -> str:
    """Text in one line: white space of any kind as spaces, and what else cannot be printed written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def one_line(text: str, most: int) -> str:
    """The same, of `most` letters at most; the end is left out if it is long."""
    clean = printable(text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 1] + "…"
