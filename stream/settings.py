"""All settings, and the only reader of the environment.

Rising order: defaults, `ebmc.toml` in the current folder, `EBMC_*` environment variables, command line flags.
"""

from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as Unreadable

from stream.errors import SettingsError
from stream.kafka.options import KafkaSettings
from stream.printable import one_line
from stream.server.options import ServerSettings

FILE = "ebmc.toml"
LONGEST = 400  # letters of what is said of a setting


class Settings(BaseSettings):
    """What a stream can be told."""

    model_config = SettingsConfigDict(
        env_prefix="EBMC_",
        env_nested_delimiter="_",
        env_nested_max_split=1,  # EBMC_KAFKA_PASSWORD_FILE is password_file of kafka
        toml_file=FILE,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,  # what stands below a field is its description: `ebmc settings`
    )

    window: Annotated[float, Field(ge=0.5, le=30)] = 4.0
    """Length of a window, seconds of event time. The live model was trained on 4."""
    hop: Annotated[float, Field(ge=0.1, le=30)] = 0.5
    """Time from one window to the next, seconds."""
    lateness: Annotated[float, Field(ge=0)] = 5.0
    """How far one kind of frames may run ahead before a window closes without the other, seconds."""
    idle: Annotated[float, Field(ge=0.1, le=30)] = 0.5
    """A live stream does not wait for a kind of frames of which none came for so long, seconds."""
    behind: Annotated[float, Field(gt=0)] = 0.15
    """A live window makes do with the analysis of the sound before when its own would wait so long, seconds."""
    drain: Annotated[float, Field(ge=0)] = 2.5
    """After Ctrl-C, how long the open windows may take to become events, seconds."""
    video_rate: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Pictures analysed per second, at most; expressions last longer than a tenth of a second."""
    open_timeout: Annotated[float, Field(gt=0, le=120)] = 10.0
    """How long opening a live source may take, seconds."""
    open_patience: Annotated[float, Field(ge=0)] = 0.0
    """A live source that is not there at the start is tried again for so long, seconds; 0: not at all; inf: always."""
    read_timeout: Annotated[float, Field(gt=0, le=120)] = 5.0
    """A live source that sent nothing for this long has hung: the read is given up and the source opened anew."""
    reconnect_wait: Annotated[float, Field(gt=0, le=60)] = 0.5
    """Wait before a lost source is opened again, seconds; it doubles with each failure, and half of it is random."""
    reconnect_most: Annotated[float, Field(gt=0, le=600)] = 5.0
    """The longest wait between two attempts, seconds."""
    gone_after: Annotated[float, Field(gt=0)] | None = None
    """A source that worked and is away for this long is lost for good (exit code 3), seconds; unset: never."""
    live_buffer: Annotated[float, Field(ge=0.2, le=30)] = 2.0
    """Live frames wait at most this long for the pipeline, seconds; older ones are dropped and counted."""
    decoders: Annotated[int, Field(ge=0, le=64)] | None = None
    """Processes of their own that read live sources; 0: none, all in one; unset: one, if there are several sources."""
    engine: str = "auto"
    """Inference engine; `auto` takes the fastest this machine has."""
    checkpoint: str = "live-en"
    """Bundled checkpoint, or the folder of one."""
    asr: str = "tiny.en"
    """Speech recogniser: `tiny.en`, `none`, or a larger Whisper of the registry, as `base` or `small.en`."""
    asr_lag: Annotated[float, Field(ge=1, le=30)] = 6.0
    """Seconds of speech of a live stream that may wait for recognition; when there is more, it skips to the newest."""
    faces: Literal["near", "far", "yunet"] = "near"
    """Who finds the faces: `near`, MediaPipe; `far`, FaceBoxes, for rooms and meetings; `yunet`, fetched, likewise."""
    cache: Path = platformdirs.user_cache_path("ebmc")
    """Where model weights are kept."""
    models_mirror: str | None = None
    """Folder or http(s) address that holds weights as `NAME/FILE`; asked before the places they come from."""
    data: Path = Path("../shared")
    """Folder with training data and test clips; only training and the test suite look there."""

    kafka: KafkaSettings = KafkaSettings()
    """Connection to Kafka, for the sink `kafka:`: `EBMC_KAFKA_…`, or `[kafka]` in `ebmc.toml`."""
    server: ServerSettings = ServerSettings()
    """The page and its server (`ebmc demo`): `EBMC_SERVER_…`, or `[server]` in `ebmc.toml`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over `ebmc.toml`."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: object) -> Settings:
    """Settings with the flags that were given (None means not given); raises `SettingsError` in one line."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        # a secret, or what may be one under a wrong name, is not repeated; nor is it in the error that this came from
        shown = "" if _secret(*first["loc"]) else f" (it was {first['input']!r})"
        raise SettingsError(one_line(f"setting {where!r}: {first['msg']}{shown}", LONGEST)) from None
    except (TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else error
        raise SettingsError(one_line(f"{FILE}: cannot be read ({why})", LONGEST)) from None
    except Unreadable as error:
        raise SettingsError(
            f"{error}: the settings of a group are set one by one, for instance EBMC_KAFKA_PARTITIONS"
        ) from None


def _secret(*where: object) -> bool:
    """Whether a setting holds a secret; one that is not known, or is in a group that is not known, might."""
    if where[0] not in GROUPS:
        return where[0] not in Settings.model_fields
    field = GROUPS[str(where[0])].model_fields.get(str(where[-1]))
    return field is None or "SecretStr" in str(field.annotation)


GROUPS: dict[str, type[BaseModel]] = {"kafka": KafkaSettings, "server": ServerSettings}
