# Two commands: `make demo` shows it, `make test` proves it. Both do their own set-up, once.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
GL_LIBRARIES := libGL.so.1 libEGL.so.1 libGLESv2.so.2 libgthread-2.0.so.0
GL_PACKAGES := libgl1 libegl1 libgles2 libglib2.0-0

.DEFAULT_GOAL := help
.PHONY: help demo test lint format audit fuzz clip system tools

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.weights ## open the page with the bundled clip; write its events and a picture of them
	$(BIN)/ebmc demo --clip --sink jsonl:demo/events.jsonl --sink timeline:demo/timeline.png

test: $(VENV)/.dev $(VENV)/.weights tools ## run the whole test suite
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code in its usual form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(VENV)/.dev ## what is known of the versions that the images install
	$(BIN)/python -m scripts.audit

fuzz: $(VENV)/.dev $(VENV)/.weights ## every parser of outside bytes, with new inputs each time, for longer
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/fuzz --timeout 0

clip: $(VENV)/.base ## compose the bundled clip again (needs npm)
	$(BIN)/python scripts/compose_clip.py

# MediaPipe and OpenCV load these from the system; nothing else is needed from it
system:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; run: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python cannot make environments; run: sudo apt-get install python3-venv" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ctypes, sys; [ctypes.CDLL(name) for name in sys.argv[1:]]' $(GL_LIBRARIES) 2>/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing $(GL_PACKAGES) from the system's packages" && apt-get update -qq && apt-get install -y -qq $(GL_PACKAGES); \
	  else echo "missing system libraries; run: sudo apt-get install $(GL_PACKAGES)" >&2; exit 1; fi; fi

# what tests take from the system's packages: a browser for the page, two checkers for deploy/ (unpacked here, not installed);
# without one its tests are skipped and say so
CHECKERS := prometheus:promtool shellcheck:shellcheck
tools: $(VENV)/.base
	@root=$$([ "$$(id -u)" = 0 ] && echo yes || true); command -v apt-get >/dev/null || exit 0; \
	browser=; [ -z "$$root" ] || command -v chromium >/dev/null || browser=yes; \
	checkers=; for pair in $(CHECKERS); do test -x $(BIN)/$${pair##*:} || checkers="$$checkers $$pair"; done; \
	test -n "$$browser$$checkers" || exit 0; [ -z "$$root" ] || apt-get update -qq; \
	if [ -n "$$browser" ]; then echo "installing chromium from the system's packages" && \
	  apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; fi; \
	for pair in $$checkers; do package=$${pair%%:*}; program=$${pair##*:}; folder=$$(mktemp -d); \
	  if (cd $$folder && apt-get download -qq $$package 2>/dev/null && dpkg-deb -x *.deb .); \
	  then echo "unpacking $$program from the system's packages" && cp $$folder/usr/bin/$$program $(BIN)/; fi; rm -rf $$folder; done

$(VENV)/.base: pyproject.toml | system
	@echo "installing into $(VENV): about 6 GB, some minutes, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -q -e ".[web]"
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@$(BIN)/python -m pip install -q -e ".[avro,web]" --group dev
	@touch $@

$(VENV)/.weights: $(VENV)/.base stream/weights/registry.py
	@$(BIN)/ebmc models pull
	@touch $@
