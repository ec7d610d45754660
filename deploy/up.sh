#!/bin/sh
# Starts the stack of compose.yaml: deploy/up.sh [--profile gpu]. Makes the secrets that are missing; keeps the others.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

if ! docker compose version > /dev/null 2>&1; then
  echo "up.sh: Docker with its compose plugin is needed: https://docs.docker.com/engine/install" >&2
  exit 2
fi

# The users of the containers read the files; nobody else on this machine can enter the folder.
mkdir -p "$here/secrets"
chmod 700 "$here/secrets"
for secret in page-token grafana-password; do
  if [ ! -s "$here/secrets/$secret" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$here/secrets/$secret"
  fi
  chmod 444 "$here/secrets/$secret"
done

stack() {
  docker compose -f "$here/compose.yaml" "$@"
}

port() { # on this machine, of a service
  stack port "$1" "$2" | sed 's/.*://'
}

stack "$@" up --build --detach

cat <<END
the page     http://localhost:$(port page 8000)/?token=$(cat "$here/secrets/page-token")
Grafana      http://localhost:$(port grafana 3000)/   user admin, password in deploy/secrets/grafana-password
Prometheus   http://localhost:$(port prometheus 9090)/alerts
events       localhost:$(port kafka 9094), topic sentiment
END
