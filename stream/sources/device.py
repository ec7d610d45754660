"""Cameras and microphones of this machine: V4L2 and ALSA, AVFoundation, or DirectShow."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av

from stream.errors import SourceError
from stream.printable import printable
from stream.settings import Settings
from stream.sources.connection import Input
from stream.sources.live import LiveSource

SYNTAX = "write webcam:0, mic:default, or both as one stream: webcam:0+mic:default"
BUSY = "is another program using it? close that one"
SOUND = Path("/dev/snd")


@dataclass(frozen=True, slots=True)
class Platform:
    """How a platform's devices are opened. target: the name that FFmpeg wants, from the one in the address."""

    format: str
    target: Callable[[str], str]
    check: Callable[[str], None] = lambda target: None


def _v4l2(name: str) -> str:
    return f"/dev/video{name}" if name.isdigit() else name


def _camera_check(target: str) -> None:
    if not Path(target).exists():
        there = ", ".join(sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"{target}: there is no such camera; plug it in, or name one that is here: {there}")
    if not os.access(target, os.R_OK | os.W_OK):
        raise SourceError(f"{target}: you may not use it; run: sudo usermod -aG video $USER, and log in again")


def _microphone_check(target: str) -> None:
    if target.split(":")[0] not in ("default", "sysdefault", "hw", "plughw"):
        return  # a name from the user's own configuration, which may lead anywhere
    inputs = sorted(SOUND.glob("pcm*c")) if SOUND.is_dir() else []
    if not inputs:
        raise SourceError(f"mic:{target}: this machine has no microphone; plug one in (`arecord -l` lists them)")
    if not any(os.access(path, os.R_OK | os.W_OK) for path in inputs):
        raise SourceError(f"mic:{target}: you may not use it; run: sudo usermod -aG audio $USER, and log in again")


def _listed(format: str, kind: str, name: str) -> str:
    """The device's own name, where DirectShow wants one; a number counts them."""
    names = [device.name for device in av.enumerate_input_devices(format) if kind in device.media_types]
    number = 0 if name == "default" else int(name) if name.isdigit() else None
    if number is None:
        return f"{kind}={name}"
    if number >= len(names):
        raise SourceError(
            f"{kind} device {name}: there is no such device; these are here: {', '.join(names) or 'none'}"
        )
    return f"{kind}={names[number]}"


PLATFORMS: dict[str, dict[str, Platform]] = {
    "linux": {
        "webcam": Platform("v4l2", _v4l2, _camera_check),
        "mic": Platform("alsa", str, _microphone_check),
    },
    "darwin": {
        "webcam": Platform("avfoundation", lambda name: f"{name}:none"),
        "mic": Platform("avfoundation", lambda name: f"none:{name}"),
    },
    "win32": {
        "webcam": Platform("dshow", partial(_listed, "dshow", "video")),
        "mic": Platform("dshow", partial(_listed, "dshow", "audio")),
    },
}
OPTIONS = {
    "v4l2": {"fflags": "nobuffer"},
    "alsa": {"fflags": "nobuffer"},
    "avfoundation": {"framerate": "30", "fflags": "nobuffer"},
    "dshow": {"fflags": "nobuffer", "rtbufsize": "64M", "audio_buffer_size": "40"},
}


def device_input(part: str, platform: str = sys.platform) -> Input:
    """What FFmpeg opens for `webcam:NAME` or `mic:NAME`. Raises `SourceError`."""
    kind, _, name = part.partition(":")
    devices = PLATFORMS.get(platform)
    if devices is None:
        raise SourceError(f"{part}: devices are known on {', '.join(PLATFORMS)}, not on {platform}")
    if kind not in devices or not name:
        raise SourceError(f"{part!r} names no device; {SYNTAX}")
    device = devices[kind]
    target = device.target(name)
    return Input(part, target, BUSY, device.format, OPTIONS[device.format], check=partial(device.check, target))


def from_uri(uri: str, settings: Settings) -> LiveSource:
    """`webcam:0`, `mic:default`, or both joined by `+` as one stream. Raises `SourceError` when one is not there."""
    parts = uri.split("+")
    inputs = [device_input(part) for part in parts]
    if len({part.partition(":")[0] for part in parts}) < len(parts):
        raise SourceError(f"{uri!r}: one stream has one camera and one microphone at most; {SYNTAX}")
    for each in inputs:
        each.check()
    name = printable("+".join(part.replace(":", "-").replace("/", "-") for part in parts))
    return LiveSource(name, inputs, settings)
