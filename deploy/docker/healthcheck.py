"""Asks the program in this container whether it lives: exit code 0 when it does, 1 with one line when not.

`ebmc run`, `worker` and `ingest` answer on 9464 when they are told `--metrics 0.0.0.0:9464`, `ebmc demo` on 8000.
Another address is named by HEALTH_URL, for example http://127.0.0.1:8080/health/live.
"""

import os
import ssl
import sys
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

USUAL = ("http://127.0.0.1:9464/health/live", "http://127.0.0.1:8000/health/live")
PATIENCE = 4.0  # seconds; the image gives the whole check 5

addresses = [os.environ["HEALTH_URL"]] if os.environ.get("HEALTH_URL") else USUAL
# it is this container's own server, whose certificate is made out to another name
secure = ssl._create_unverified_context()
why = ""
for address in addresses:
    try:
        with urlopen(Request(address), timeout=PATIENCE / len(addresses), context=secure):
            sys.exit(0)
    except HTTPError as error:
        sys.exit(f"{address} answers {error.code}: {error.read(500).decode(errors='replace').strip()}")
    except (URLError, OSError, ValueError) as error:
        why = str(error)
sys.exit(
    f"nothing answers at {' or '.join(addresses)} ({why}): give the program --metrics 0.0.0.0:9464, or name its"
    " address in HEALTH_URL"
)
