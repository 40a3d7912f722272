# docker build -f deploy/api.Dockerfile --build-arg VERSION=0.1.0 -t ghcr.io/sconce/api:0.1.0 .

# Only the files that npm reads: packages are installed again only when these files change.
FROM node:24.21.0-bookworm-slim AS manifests
WORKDIR /src
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /src
COPY --from=manifests /src ./
RUN npm ci --ignore-scripts
COPY . .
RUN node tools/bundle.ts api && node tools/image-packages.ts api /app && mv apps/api/dist/* /app/

# Node without npm, yarn and corepack. tini collects the processes that a killed child leaves.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app /app
# The blob store, if it is a folder. A volume takes its owner from here.
RUN mkdir /data && chown 10001:10001 /data
WORKDIR /app
# MALLOC_… and NODE_OPTIONS are those of libs/runtime/src/process-environment.ts, where their reasons are.
ENV NODE_ENV=production \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    MALLOC_TRIM_THRESHOLD_=16777216 \
    MALLOC_ARENA_MAX=1 \
    NODE_OPTIONS="--max-semi-space-size=24 --no-node-snapshot" \
    SCONCE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
# bash opens the connection: a Node process for every probe would use more memory than the idle service.
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${SCONCE_METRICS_PORT:-8002} && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "main.js"]
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="Sconce API" \
      org.opencontainers.image.description="Inference for compiled PyTorch models, without Python" \
      org.opencontainers.image.version="$VERSION"
