"""What an error of the client library means for us: give the event up, mend the settings, or wait."""

import ssl

from aiokafka import errors

from stream.errors import SettingsError

# the brokers will never take this event, however often it is sent; the word goes into the metric
REFUSED: dict[type[BaseException], str] = {
    errors.MessageSizeTooLargeError: "too-large",
    errors.RecordListTooLargeError: "too-large",
    errors.TopicAuthorizationFailedError: "not-authorized",
    errors.InvalidTimestampError: "refused",
    errors.PolicyViolationError: "refused",
    errors.UnsupportedForMessageFormatError: "refused",
}
# a refusal that may be because of another event in the same batch
SHARED = {"too-large", "refused"}
WHO = "the brokers do not accept who we say we are; look at EBMC_KAFKA_SASL, _USERNAME and the password or token"
# waiting does not help: said when the sink is opened, with exit code 2
MENDS: dict[type[BaseException], str] = {
    errors.AuthenticationFailedError: WHO,
    errors.SaslAuthenticationFailed: WHO,
    errors.UnsupportedSaslMechanismError: "the brokers do not offer this kind of SASL; look at EBMC_KAFKA_SASL",
    errors.IllegalSaslStateError: "the brokers do not expect SASL here; look at EBMC_KAFKA_SASL",
    errors.TopicAuthorizationFailedError: "we may not write to this topic; ask for the right to describe, create and "
    "write it",
    errors.ClusterAuthorizationFailedError: "we may not make this topic or write idempotently; ask for the right, or "
    "set EBMC_KAFKA_CREATE or EBMC_KAFKA_IDEMPOTENT to false",
    errors.InvalidTopicError: "the brokers do not allow this name for a topic",
    errors.InvalidReplicationFactorError: "the cluster has fewer brokers than copies were asked for; look at "
    "EBMC_KAFKA_REPLICATION",
    errors.PolicyViolationError: "the cluster's policy does not allow this topic; have it made by those who run it",
    ssl.SSLCertVerificationError: "the certificate of the broker is not trusted; look at EBMC_KAFKA_CA_FILE and "
    "EBMC_KAFKA_VERIFY_HOST",
}


class StoodStill(errors.KafkaError):
    """This process did nothing for longer than its group waits for a member."""


LOST = (errors.KafkaError, OSError, TimeoutError, SettingsError, EOFError)  # what a link that breaks may raise


def refusal(error: BaseException) -> str | None:
    """In one word why the brokers will never take an event; None when they may take it later."""
    return next((word for kind, word in REFUSED.items() if isinstance(error, kind)), None)


def mend(error: BaseException) -> str | None:
    """What a user has to change; None when waiting may help."""
    if isinstance(error, SettingsError):
        return str(error)
    return next((words for kind, words in MENDS.items() if isinstance(error, kind)), None)


def told(error: BaseException) -> str:
    """The error in a few words. An error of the library may hold what was sent, so only its kind is told."""
    if isinstance(error, SettingsError | StoodStill):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, errors.BrokerResponseError):
        return f"{type(error).__name__}: {error.description}" if error.description else type(error).__name__
    return type(error).__name__
