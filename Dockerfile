# classreel: the unattended box as an image. Nothing is downloaded when it runs.

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/classreel
# the packages first: they change more rarely than the code; every file is checked against its hash
COPY requirements.lock ./
RUN /opt/classreel/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY lesson lesson
COPY process process
COPY media media
COPY capture capture
COPY tracking tracking
COPY encode encode
COPY publish publish
COPY api api
COPY classroom classroom
COPY benchmarks benchmarks
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && /opt/classreel/bin/pip install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim
# the sound library inside the av wheel has no configuration of its own
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libasound2-data \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 classreel \
    && useradd --system --uid 10001 --gid classreel --groups video,audio --home-dir /var/lib/classreel classreel \
    && install --directory --owner=classreel --group=classreel /var/lib/classreel
COPY --from=build /opt/classreel /opt/classreel
COPY LICENSE NOTICE /usr/share/doc/classreel/
ENV PATH=/opt/classreel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALSA_CONFIG_PATH=/usr/share/alsa/alsa.conf \
    CLASSREEL_ROOT=/var/lib/classreel \
    CLASSREEL_LISTEN=0.0.0.0:8000
USER 10001:10001
WORKDIR /var/lib/classreel
VOLUME /var/lib/classreel
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["classreel", "serve"]
