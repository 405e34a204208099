# syntax=docker/dockerfile:1
# Four images from one file: --target patchlab (all in one), api, worker, janitor.

FROM node:20-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
ENV CGO_ENABLED=0
ARG VERSION=dev
RUN for name in patchlab api worker janitor; do \
      go build -trimpath -ldflags="-s -w -X patchlab/internal/app.version=$VERSION" -o /out/$name ./cmd/$name; \
    done && mkdir /out/data

# No shell, no package manager, not root (65532).
FROM gcr.io/distroless/static-debian12:nonroot AS base
ENV DATA_DIR=/data ADDR=:8080
COPY --from=build --chown=65532:65532 /out/data /data
VOLUME /data

FROM base AS worker
COPY --from=build /out/worker /usr/local/bin/worker
ENTRYPOINT ["/usr/local/bin/worker"]

FROM base AS janitor
COPY --from=build /out/janitor /usr/local/bin/janitor
ENTRYPOINT ["/usr/local/bin/janitor"]

FROM base AS api
COPY --from=build /out/api /usr/local/bin/api
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/api"]

# The last stage is what a plain `docker build .` makes.
FROM base AS patchlab
COPY --from=build /out/patchlab /usr/local/bin/patchlab
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s CMD ["/usr/local/bin/patchlab", "health"]
ENTRYPOINT ["/usr/local/bin/patchlab"]
CMD ["serve"]
