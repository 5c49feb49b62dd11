# make run       serves the shipped nexus.toml on 127.0.0.1:8000
# make test      installs what the tests need, checks the code, runs every test with the race detector
# make check     only what needs no running: format, vet, staticcheck, generated files
# make generate  rewrites what is generated from templates
# make bench     CPU time per request against a bare reverse proxy, and the benchmarks of the packages
# make soak      the long variants of the tests under load
# make build     a static binary in bin/

SHELL := bash
.DEFAULT_GOAL := test
.PHONY: run test check generate bench soak build

run:
	go run ./cmd/nexus

test: check
	tools=$$(.ci/prepare) && NEXUS_TEST_REQUIRE=$$tools go test -race -timeout 20m ./...

check:
	.ci/check

generate:
	go generate ./...

bench:
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

soak:
	NEXUS_SOAK=5m go test -race -run Soak -v -count 1 -timeout 60m ./...

build:
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/nexus ./cmd/nexus
