"""A schema registry (Confluent's REST interface): schemas get a number, which travels with each record."""

import base64
import http.client
import json
import urllib.error
import urllib.request
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from stream.errors import EventError, SettingsError
from stream.kafka.options import KafkaSettings
from stream.passwords import needed

TIMEOUT = 10.0  # seconds
JSON_TYPE = "application/vnd.schemaregistry.v1+json"
LARGEST = 16 * 1024 * 1024  # bytes of an answer


class _NoFurther(urllib.request.HTTPRedirectHandler):
    """The password is for the registry that was named, and for nobody that it points to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """To nowhere: the answer is then what it says, a redirection."""


_opener = urllib.request.build_opener(_NoFurther)


def _web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:  # brackets that close nowhere, or a port that is none
        return False


class Registry:
    """The registry that the settings name. Calls block. Raises `SettingsError` when it does not answer or says no."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._address = (settings.registry or "").rstrip("/")
        if "@" in self._address or not _web(self._address):
            raise SettingsError(
                "EBMC_KAFKA_REGISTRY: an http or https address, without a user; for a password set "
                "EBMC_KAFKA_REGISTRY_USERNAME and EBMC_KAFKA_REGISTRY_PASSWORD_FILE"
            )
        self._headers = {"Content-Type": JSON_TYPE, "Accept": JSON_TYPE}
        if settings.registry_username:
            password = needed("registry_password", settings.registry_password, settings.registry_password_file)
            encoded = base64.b64encode(f"{settings.registry_username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"
        self.schema = lru_cache(maxsize=64)(self._schema)

    def register(self, topic: str, schema: str) -> int:
        """The number of the schema for the values of a topic; the same schema keeps its number."""
        subject = quote(f"{topic}-value", safe="")
        number = self._ask(f"/subjects/{subject}/versions", {"schema": schema, "schemaType": "AVRO"}).get("id")
        if not isinstance(number, int) or not 0 <= number < 2**32:
            raise SettingsError(f"the schema registry {self._address}: it gives no number for a schema")
        return number

    def _schema(self, number: int) -> str:
        """The schema that has a number. Raises `EventError` when none has: anybody can write a number into a record."""
        schema = self._ask(f"/schemas/ids/{number}").get("schema")
        if schema is None:
            raise EventError(f"not Avro of a schema that the registry has: its number is {number}")
        return str(schema)

    def _ask(self, path: str, sent: dict[str, str] | None = None) -> dict[str, Any]:
        """The answer; to a question, an empty one when the registry does not know."""
        body = json.dumps(sent).encode() if sent else None
        request = urllib.request.Request(self._address + path, body, self._headers)
        try:
            with _opener.open(request, timeout=TIMEOUT) as answer:
                found = json.loads(answer.read(LARGEST))
            if not isinstance(found, dict):
                raise ValueError
            return found
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and sent is None:
                    return {}
                why = "the schema does not fit those before it" if error.code == 409 else f"it answers {error.code}"
            raise SettingsError(f"the schema registry {self._address}: {why}") from None
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or type(error).__name__
            raise SettingsError(f"the schema registry {self._address}: {why}; look at EBMC_KAFKA_REGISTRY") from None
