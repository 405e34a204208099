# PatchLAB. `make` lists what can be done.
#
# Variables:
#   ADDR       where `make run` and `make dev` listen         (:8080)
#   DATA_DIR   where they keep their data                     (./data)
#   APIS, WORKERS, JANITORS   how many of each `make up` starts  (1)
#   CHROMIUM   the browser of the end-to-end tests            (found)
#   GOTEST     flags of `go test`, such as -run=TestX         (none)
#   BENCH      which benchmarks `make bench` runs             (.)
#   SEED       the one storm of `make chaos`                  (1, 2 and 3 in turn)
#   JOBS, PACKS   how much is asked for during each           (1000, 10)
#   FUZZTIME   how long `make fuzz` runs each target          (20s)
#   ONLY       the scenarios of `make load`, by name          (all)
#   SEED       where its sounds begin: the same, the same     (1)
#   SCALE      how much of each scenario; 0.1: a quick look   (1)
#   QUIET      how long to wait until nothing else runs       (0s)
#   TRIES      runs of what misses while something else runs  (1)
#   OUT        a file for its tables, too                     (none)
# and every variable of docs/operations.md.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

BENCH ?= .
FUZZTIME ?= 20s
SEED ?=
SCALE ?= 1
QUIET ?= 0s
TRIES ?= 1
APIS ?= 1
WORKERS ?= 1
JANITORS ?= 1
JOBS ?= 1000
PACKS ?= 10
# For one package: on two cores the race detector makes the slowest take minutes.
TIMEOUT := 15m
# What builds, tests and lints shares one build cache: the binaries need no C, and
# hold no path of this machine. Gin's MessagePack codec, which nobody here speaks, takes
# as long to compile as all of PatchLAB.
TAGS := -tags=nomsgpack
# The engine uses the vector instructions of the processor that it runs on, where it has them.
SIMD := GOEXPERIMENT=simd
BUILD := CGO_ENABLED=0 $(SIMD) GOFLAGS='$(strip $(GOFLAGS) -trimpath $(TAGS))'
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -ldflags='-X patchlab/internal/app.version=$(VERSION)'

WEB_FILES := $(shell git ls-files --cached --others --exclude-standard web/src web/public web/index.html 'web/*.ts' web/package.json web/tsconfig.json 2>/dev/null)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Run

.PHONY: run
run: web/dist/index.html ## build everything and serve it at http://localhost:8080
	$(BUILD) go build $(LDFLAGS) -o bin/patchlab ./cmd/patchlab
	exec bin/patchlab serve

.PHONY: up
up: deps build ## the farm as separate processes, on private PostgreSQL, Redis and MinIO, until Ctrl-C
	exec go run ./internal/testenv/up -bin=bin -addr='$(or $(ADDR),:8080)' -apis=$(APIS) -workers=$(WORKERS) -janitors=$(JANITORS)

.PHONY: dev
dev: web/node_modules/.stamp ## the same, reloading web (http://localhost:5173) and server on save
	scripts/dev.sh

.PHONY: build
build: web/dist/index.html ## bin/{patchlab,api,worker,janitor} with the web app inside
	$(BUILD) go build $(LDFLAGS) -o bin/ ./cmd/...

web/node_modules/.stamp: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	touch $@

web/dist/index.html: web/node_modules/.stamp $(WEB_FILES)
	npm --prefix web run build

## Check

.PHONY: test
test: deps test-go test-web e2e ## every test: Go, web, end to end

.PHONY: test-go
test-go: ## the Go tests alone (go vet is one of the linters)
	$(BUILD) go test -vet=off -timeout=$(TIMEOUT) $(GOTEST) ./...

.PHONY: race
# Everything is compiled once more for it. The engine is pure and runs nothing at once;
# the worker's tests run it in many goroutines.
race: deps ## the Go tests with the race detector, but the engine's own
	CGO_ENABLED=1 $(SIMD) GOFLAGS='$(strip $(GOFLAGS) $(TAGS))' go test -race -vet=off -timeout=$(TIMEOUT) $(GOTEST) $$(go list ./... | grep -v '^patchlab/engine')

.PHONY: test-arch
test-arch: deps ## the whole golden corpus as built for every processor, emulated arm64 and s390x among them (minutes)
	PATCHLAB_ARCH=whole go test -vet=off -count=1 -timeout=60m -run='^TestGoldenOn' -v ./engine/gates

.PHONY: test-web
test-web: web/node_modules/.stamp ## the tests of the web app alone
	npm --prefix web test

.PHONY: e2e
e2e: deps build ## the tests in a browser alone
	npm --prefix web run e2e

.PHONY: lint
lint: web/node_modules/.stamp ## linters, formatting, types, generated files
	lint=$$(scripts/tool.sh golangci-lint); $(BUILD) "$$lint" run ./...; "$$lint" fmt --diff-colored
	npm --prefix web run lint
	npm --prefix web run typecheck
	npm --prefix web run generate:check

.PHONY: fmt
fmt: ## format the Go code, and mend what the linters can mend
	lint=$$(scripts/tool.sh golangci-lint); $(BUILD) "$$lint" run --fix ./...; "$$lint" fmt

.PHONY: ci
ci: lint test race build ## what CI runs

.PHONY: invariants
invariants: deps web/node_modules/.stamp ## run the check of each rule in docs/invariants.json
	go -C tools run ./invariants ../docs/invariants.json

.PHONY: bench
bench: ## run the benchmarks
	$(BUILD) go test -run='^$$' -bench='$(BENCH)' -benchmem ./...

.PHONY: load
load: deps build ## measure the farm as separate processes on private PostgreSQL and Redis, against its limits (minutes)
	$(BUILD) go build -o bin/dev/load ./internal/load
	exec bin/dev/load -bin=bin -only='$(ONLY)' -seed=$(or $(SEED),1) -scale=$(SCALE) -wait=$(QUIET) -tries=$(TRIES) -o='$(OUT)'

.PHONY: chaos
chaos: deps ## the farm in a storm: everything is killed, cut, stalled and filled under load (minutes)
	$(BUILD) go run ./internal/chaos/storm -seed='$(SEED)' -jobs=$(JOBS) -packs=$(PACKS)

.PHONY: fuzz
fuzz: deps ## run every fuzz target for FUZZTIME
	$(BUILD) FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

## Keep

.PHONY: deps
deps: ## find or install what the tests need (postgresql, redis, minio, chromium, ffmpeg, qemu)
	scripts/deps.sh

.PHONY: docs
docs: ## write the files that are made from code
	go test ./internal/config ./internal/telemetry ./internal/layout ./engine -run='^(TestDocumentsAreUpToDate|TestLintRules|TestManualIsUpToDate)$$' -update
	go test ./internal/cli -run='^TestTheExampleOfTheStudio$$' -update
	npm --prefix web run generate

.PHONY: clean
clean: ## remove what was built; data stays
	rm -rf bin web/node_modules web/test-results web/playwright-report
	find web/dist -mindepth 1 ! -name .gitkeep -delete
