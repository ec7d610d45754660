"""TLS and SASL: from settings to what the client library takes. Secrets are printed nowhere."""

import ssl
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from stream.errors import SettingsError
from stream.kafka.library import keep_secrets
from stream.kafka.options import KafkaSettings, Sasl
from stream.passwords import needed, secret


class Token(AbstractTokenProvider):
    """The bearer token, from the environment or, again at each connection, from a file."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # the library says None
        """The token as it is now."""
        return needed("token", self._settings.token, self._settings.token_file)


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for a client of aiokafka. Raises `SettingsError` when a secret or certificate is not there."""
    protocol = ("SASL_" if settings.sasl is not Sasl.NONE else "") + ("SSL" if settings.tls else "PLAINTEXT")
    arguments: dict[str, Any] = {"security_protocol": protocol}
    if settings.tls:
        arguments["ssl_context"] = tls_context(settings)
    if settings.sasl is not Sasl.NONE:
        keep_secrets()
    if settings.sasl is Sasl.OAUTHBEARER:
        needed("token", settings.token, settings.token_file)  # so that a missing one is known now
        arguments |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": Token(settings)}
    elif settings.sasl is not Sasl.NONE:
        if not settings.username:
            raise SettingsError(f"sasl {settings.sasl} needs a name: set EBMC_KAFKA_USERNAME")
        arguments |= {
            "sasl_mechanism": settings.sasl.value.upper(),
            "sasl_plain_username": settings.username,
            "sasl_plain_password": needed("password", settings.password, settings.password_file),
        }
    return arguments


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """What we trust, and our own certificate if we have one. Raises `SettingsError`."""
    password = secret("key_password", settings.key_password, settings.key_password_file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.check_hostname = settings.verify_host
        if settings.cert_file:
            # never ask on the terminal: an empty password fails like a wrong one
            context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: password or "")
    except (OSError, ValueError) as error:  # an SSLError is an OSError, but may have no strerror
        files = ", ".join(str(path) for path in (settings.ca_file, settings.cert_file, settings.key_file) if path)
        raise SettingsError(
            f"TLS for Kafka: {getattr(error, 'strerror', None) or type(error).__name__}; "
            f"look at EBMC_KAFKA_CA_FILE, _CERT_FILE, _KEY_FILE and _KEY_PASSWORD_FILE ({files})"
        ) from None
    return context
