# Gatehouse. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO      ?= go
TOOL    := $(GO) tool -modfile=internal/tools/go.mod
FILTERS := ratelimit apikey cors jwt
MAIL    := file smtp
SOCIAL  := oidc
WASM    := $(FILTERS:%=plugins/filters/dist/%.wasm)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The modules, root first.
MODULES := . sdk pluginspec
# Arguments of `make run`, for example ARGS="--http 127.0.0.1:9090".
ARGS    ?=

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Set up, start everything and print where it is (Ctrl-C stops it)
	@internal/tools/setup.sh postgres
	@$(MAKE) build
	@exec bin/gatehouse dev $(ARGS)

.PHONY: build
build: plugins ## Build bin/gatehouse with its filters and plugins
	@$(GO) build -trimpath -ldflags "-X gatehouse.example/internal/cli.version=$(VERSION)" -o bin/gatehouse .
	@bin/gatehouse filter compile

.PHONY: plugins
plugins: ## Build the WASM filters and the plugin executables
	@for f in $(FILTERS); do \
	  GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags "-s -w" -buildmode=c-shared -o plugins/filters/dist/$$f.wasm ./plugins/filters/$$f; \
	done
	@mkdir -p bin/plugins
	@for m in $(MAIL); do $(GO) build -trimpath -ldflags "-s -w" -o bin/plugins/mail-$$m ./plugins/mail/$$m; done
	@for s in $(SOCIAL); do $(GO) build -trimpath -ldflags "-s -w" -o bin/plugins/social-$$s ./plugins/social/$$s; done
	@cd bin/plugins && { sha256sum mail-* social-* 2>/dev/null || shasum -a 256 mail-* social-*; } > .SHA256SUMS && mv .SHA256SUMS SHA256SUMS

.PHONY: test
test: ## Set up and run every test with the race detector; ends with one line of counts
	@internal/tools/setup.sh postgres chromium redis
	@$(MAKE) build
	@$(TOOL) gotestsum --format pkgname --format-hide-empty-pkg --raw-command -- internal/tools/test.sh $(MODULES)

.PHONY: check
check: ## Regenerate, lint and vet; fails when something committed is stale
	@$(MAKE) generate
	@git diff --exit-code -- . || { echo "make check: the files above are stale: run make generate and commit them" >&2; exit 1; }
	@for m in $(MODULES) internal/tools; do (cd $$m && $(GO) mod tidy -diff) || { echo "make check: run go mod tidy in $$m" >&2; exit 1; }; done
	@for m in $(MODULES) internal/tools; do (cd $$m && $(GO) vet ./...); done
	@GOOS=wasip1 GOARCH=wasm $(GO) vet ./plugins/filters/... ./sdk/filter/... 2>/dev/null || GOOS=wasip1 GOARCH=wasm $(GO) vet $(FILTERS:%=./plugins/filters/%)
	@for m in $(MODULES); do (cd $$m && $(GO) tool -modfile=$(CURDIR)/internal/tools/go.mod golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: generate
generate: ## Regenerate committed code (protobuf, GraphQL)
	@internal/tools/generate.sh

.PHONY: bench
bench: plugins ## Run the benchmarks
	@$(GO) test -run '^$$' -bench . -benchmem ./gateway/... ./internal/...

.PHONY: clean
clean: ## Remove what was built (not ./var)
	@rm -rf bin plugins/filters/dist/*.wasm
