"""Who may use the server: hosts, origins, the token. One place in front of everything, web sockets included.

A page of another site must not use a server on this machine through the visitor's browser: its origin is refused, and
so is a name that somebody pointed at this machine (DNS rebinding).
"""

import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.errors import SettingsError
from stream.passwords import secret
from stream.server.messages import Code
from stream.server.options import ServerSettings

COOKIE = "ebmc-token"
MONTH = 30 * 86_400  # seconds
OPEN = ("/health/live", "/health/ready")  # for whoever watches the process
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; style-src 'self'; "
    "script-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=()",
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Access:
    """hosts: names by which this server may be called, None for any. token: what must be known, None for nothing."""

    hosts: frozenset[str] | None
    origins: frozenset[str]
    token: str | None

    def refusal(self, headers: Headers) -> str | None:
        """Why a request is not even looked at, in one line."""
        called = headers.get("host", "")
        if self.hosts is not None and _name(called) not in self.hosts:
            return f"this server is not called {_name(called)!r}; allow it with EBMC_SERVER_HOSTS"
        origin = headers.get("origin")
        if origin and origin not in self.origins and not _serves(called, origin):
            return f"pages of {origin} may not use this server; allow them with EBMC_SERVER_ORIGINS"
        return None

    def knows(self, headers: Headers, query: Sequence[str] = ()) -> bool:
        """Whether a request has the token: as a bearer, in its cookie, or in its query."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = [*query, _cookie(headers), bearer if scheme.lower() == "bearer" else ""]
        wanted = self.token.encode()
        return any(secrets.compare_digest(each.encode(), wanted) for each in offered)


class Guard:
    """Stands in front of an application and lets only those in who may."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        if why := self._access.refusal(headers):
            return await _refuse(403, "forbidden_origin", why)(scope, receive, send)
        if scope["type"] == "websocket":  # the session itself tells a wrong token, so that a page can show it
            scope.setdefault("state", {})["known"] = self._access.knows(headers)
            return await self._app(scope, receive, send)
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if not self._access.knows(headers, offered) and scope["path"] not in OPEN:
            return await _refuse(401, Code.UNAUTHORIZED, unauthorized())(scope, receive, send)
        if offered and scope["path"] == "/" and self._access.token:
            return await self._remember(scope)(scope, receive, send)
        return await self._app(scope, receive, _with_headers(send))

    def _remember(self, scope: Scope) -> Response:
        """Keep the token in a cookie that no script can read, and take it out of the address."""
        rest = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != "token"]
        answer = RedirectResponse("/?" + urlencode(rest) if rest else "/", 303, HEADERS)
        secure = scope["scheme"] == "https"
        answer.set_cookie(COOKIE, self._access.token or "", MONTH, httponly=True, samesite="strict", secure=secure)
        return answer


def access_from(settings: ServerSettings) -> Access:
    """Raises `SettingsError`. A server that others can reach has a token, a new one if none was given."""
    token = secret("token", settings.token, settings.token_file, "EBMC_SERVER")
    if token is not None and len(token) < 16:
        raise SettingsError("EBMC_SERVER_TOKEN: has fewer than 16 characters; make one with: openssl rand -hex 24")
    if token is not None and not (token.isascii() and token.isprintable()):  # a cookie and a header must hold it
        raise SettingsError("EBMC_SERVER_TOKEN: has other characters than ASCII; make one with: openssl rand -hex 24")
    local = is_loopback(settings.host)
    reached = not local or bool(settings.hosts)  # by others, themselves or through a proxy
    hosts = frozenset({"localhost", "127.0.0.1", "[::1]", settings.host, *settings.hosts})
    return Access(
        hosts if local or settings.hosts else None,
        frozenset(origin.rstrip("/") for origin in settings.origins),
        token if token or not reached else secrets.token_urlsafe(24),
    )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unauthorized() -> str:
    """What is said to who does not know the token."""
    return "this server wants its token: open the address that it printed, or send `Authorization: Bearer TOKEN`"


def _refuse(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, HEADERS)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            extra: Iterable[tuple[bytes, bytes]] = ((n.encode(), v.encode()) for n, v in HEADERS.items())
            message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in given)]
        await send(message)

    return sending


def _serves(called: str, origin: str) -> bool:
    """Whether a page of an origin came from the server that it now calls."""
    try:
        return urlsplit(origin).netloc == called
    except ValueError:  # brackets that close nowhere
        return False


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _cookie(headers: Headers) -> str:
    jar = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""
