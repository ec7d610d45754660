"""Who finds the faces of a stream, as the settings name it."""

from collections.abc import Callable

from stream.errors import WeightsError
from stream.features.face_boxes import FaceBoxes
from stream.features.finder import FaceFinder
from stream.features.yunet import YuNet
from stream.settings import Settings
from stream.weights import fetch


def load_finder(settings: Settings, report: Callable[[str], None]) -> FaceFinder | None:
    """The finder, its weights fetched if they are not in the cache; None where MediaPipe does it by itself (`near`).

    Raises `WeightsError`, `CheckpointError`.
    """
    match settings.faces:
        case "near":
            return None
        case "far":
            return FaceBoxes()
        case "yunet":
            try:
                return YuNet(fetch("yunet", settings.cache, report, mirror=settings.models_mirror))
            except WeightsError as error:
                raise WeightsError(f"{error}; `--faces far` needs nothing fetched") from error
