"""Pictures of one source in memory that two processes share: one puts them there, the other makes pixels of few.

A shelf is a file without a name. Its first page says of each place whether it is taken: the process that decodes takes
a free one, the other gives it back once it has made the pixels, or nobody wants them any more.

    |taken?|  16 places of one size  |  16 larger ones, once a picture came that was larger  | …
"""

import mmap
import os
import tempfile
import threading
import weakref
from typing import Any, NamedTuple, cast

import numpy as np
from av.video.frame import VideoFrame as DecodedVideo
from numpy.typing import NDArray

PAGE = 4096  # places at most: a byte says of each whether it is taken
PLACES = 16  # of one size: more pictures than wait between the processes and are looked at
PLAIN = {"yuv420p", "yuvj420p", "nv12"}  # half the size of their pixels; others are put there as pixels


class Ticket(NamedTuple):
    """Where a picture is. colours: how FFmpeg names what its numbers mean (space, range, primaries, transfer)."""

    place: int
    offset: int
    format: str
    width: int
    height: int
    colours: tuple[int, int, int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        if self.format == "rgb24":
            return self.height, self.width, 3
        return self.height * 3 // 2, self.width


def shelf_file() -> int:
    """A new file without a name, which lives in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ebmc-pictures")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Shelf:
    """One end of it. Used from one thread where pictures are put in, from any where they are taken out."""

    def __init__(self, file: int) -> None:
        self._file = file
        weakref.finalize(self, os.close, file)  # once nobody has a picture of it any more
        if os.fstat(file).st_size < PAGE:
            os.ftruncate(file, PAGE)
        self._memory = mmap.mmap(file, 0)
        self._first, self._begin, self._size = 0, PAGE, 0  # of the places that are filled now
        self._lock = threading.Lock()

    def put(self, picture: DecodedVideo | NDArray[np.uint8]) -> Ticket | None:
        """Lay a picture down, or pixels `[H, W, 3]`; None when all places are taken."""
        kind, colours = "rgb24", (0, 0, 0, 0)
        pixels: NDArray[np.uint8] | None = None
        if isinstance(picture, np.ndarray):
            pixels, (height, width) = picture, picture.shape[:2]
        else:
            width, height = picture.width, picture.height
            if picture.format.name in PLAIN and width % 2 == 0 and height % 2 == 0:
                kind = picture.format.name
                colours = (picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc)
            else:
                pixels = cast("NDArray[np.uint8]", picture.to_ndarray(format=kind))
        size = height * width * 3 // 2 if pixels is None else pixels.nbytes
        if size > self._size:
            self._enlarge(size)
        place = next((n for n in range(self._first, self._first + PLACES) if not self._memory[n]), None)
        if place is None:
            return None
        ticket = Ticket(place, self._begin + (place - self._first) * self._size, kind, width, height, colours)
        if pixels is not None:
            self._view(ticket)[:] = pixels
        elif isinstance(picture, DecodedVideo):
            _copy_planes(picture, self._view(ticket).reshape(-1))
        self._memory[place] = 1
        return ticket

    def developed(self, ticket: Ticket) -> NDArray[np.uint8]:
        """uint8 `[H, W, 3]`, RGB, of a picture that was laid down at the other end."""
        with self._lock:
            if ticket.offset + int(np.prod(ticket.shape)) > len(self._memory):
                self._memory = mmap.mmap(self._file, 0)
            view = self._view(ticket)
        if ticket.format == "rgb24":
            return view.copy()
        picture = DecodedVideo.from_ndarray(view, format=ticket.format)
        picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc = ticket.colours
        return cast("NDArray[np.uint8]", picture.to_ndarray(format="rgb24"))

    def give_back(self, ticket: Ticket) -> None:
        """The picture is not wanted any more."""
        self._memory[ticket.place] = 0

    def _view(self, ticket: Ticket) -> NDArray[np.uint8]:
        return np.ndarray(ticket.shape, np.uint8, self._memory, ticket.offset)

    def _enlarge(self, size: int) -> None:
        """New places, twice as large as need be, so that there are few of these."""
        if self._size:
            self._first, self._begin = self._first + PLACES, self._begin + PLACES * self._size
        self._size = -(-size * (2 if self._first else 1) // PAGE) * PAGE
        os.ftruncate(self._file, self._begin + PLACES * self._size)
        self._memory = mmap.mmap(self._file, 0)


def _copy_planes(picture: DecodedVideo, place: NDArray[np.uint8]) -> None:
    """The planes of a picture one after the other, without what pads their lines."""
    begin, components = 0, 2 if picture.format.name == "nv12" else 1
    for number, plane in enumerate(picture.planes):
        width = plane.width * (components if number else 1)
        lines = np.frombuffer(cast("Any", plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, :width]
        place[begin : begin + lines.size].reshape(lines.shape)[:] = lines
        begin += lines.size


class Print:
    """A picture on the shelf; its pixels are made when they are first asked for, and kept."""

    def __init__(self, shelf: Shelf, ticket: Ticket) -> None:
        self._shelf, self._ticket = shelf, ticket
        self._pixels: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> NDArray[np.uint8]:
        """uint8 `[H, W, 3]`, RGB."""
        with self._lock:
            if self._pixels is None:
                self._pixels = self._shelf.developed(self._ticket)
                self._shelf.give_back(self._ticket)
            return self._pixels

    def __del__(self) -> None:
        if self._pixels is None:
            self._shelf.give_back(self._ticket)
