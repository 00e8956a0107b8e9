# Hotline. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOFLAGS  := -trimpath
CONSOLE  := web/console
SOURCES  := $(shell find . -name '*.go' -not -path './$(CONSOLE)/node_modules/*' 2>/dev/null) go.mod go.sum \
            $(shell find postgres/migrations ivr -type f -not -name '*.go' 2>/dev/null)
PAGES    := $(shell find $(CONSOLE)/src $(CONSOLE)/public -type f 2>/dev/null) $(wildcard $(CONSOLE)/*.html $(CONSOLE)/*.ts $(CONSOLE)/*.json)

.PHONY: help run run-asterisk test check bench fmt e2e build clean packages-run packages-test vet

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: packages-run build ## build and start the whole product on embedded defaults, with a demo number
	@exec bin/hotline serve --demo

run-asterisk: packages-run build ## the same over Asterisk 22, fetched into a cache: both on loopback, both ended together
	@exec deploy/asterisk/demo.sh

build: bin/hotline ## leave bin/hotline, console embedded

test: packages-test build check e2e ## everything: checks, all package tests, whole-system tests with real SIP clients and browser

# One package at a time: many tests hear audio in real time, and two packages under -race would fight for the cores.
check: vet ## format, vet, staticcheck, layers and all package tests under -race
	go test -race -p 1 -timeout 20m ./...

vet: $(CONSOLE)/dist/index.html
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted (make fmt):"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	cd $(CONSOLE) && npm test --silent

e2e: packages-test build ## whole-system tests against the built binary
	go test -count=1 -timeout 25m -tags e2e ./deploy/e2e/...

bench: packages-test build ## figures, side by side with the peer where there is one; writes bench/results.json
	go run ./deploy/bench -binary bin/hotline -out bench/results.json

fmt: ## format the Go code
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what was built
	rm -rf bin $(CONSOLE)/node_modules artifacts
	find $(CONSOLE)/dist -mindepth 1 -not -name .keep -delete

packages-run:
	@deploy/debian/packages.sh run

packages-test:
	@deploy/debian/packages.sh run test
	@deploy/asterisk/fetch.sh 22 >/dev/null
	@deploy/asterisk/fetch.sh 16 >/dev/null

bin/hotline: $(SOURCES) $(CONSOLE)/dist/index.html
	CGO_ENABLED=0 go build $(GOFLAGS) -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/hotline

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package.json $(CONSOLE)/package-lock.json
	cd $(CONSOLE) && npm ci --no-audit --no-fund
	@touch $@

$(CONSOLE)/dist/index.html: $(CONSOLE)/node_modules/.package-lock.json $(PAGES)
	cd $(CONSOLE) && npm run build
	@touch $@
