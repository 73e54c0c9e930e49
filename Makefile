# What can be made here: `make` alone lists it. Everything is built with one profile, so that RocksDB's C++, by far the
# dearest part, is compiled once for the demo, the tests and the benchmarks.

# Compilers go through ccache where it is installed; cargo may be there without being on the PATH.
export PATH := /usr/lib/ccache:$(PATH):$(HOME)/.cargo/bin

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
LOGMESH := $(TARGET)/debug/logmesh

.PHONY: help setup setup-tests build demo test bench lint sim

help:
	@echo "make demo    three nodes on this machine: send logs, kill one, query, repair (DEMO_ONCE=1: check it and stop)"
	@echo "make build   $(LOGMESH)"
	@echo "make test    every test, also the end-to-end ones with real processes"
	@echo "make bench   the measured numbers"
	@echo "make lint    formatting, clippy and documentation, warnings denied"
	@echo "make sim     the simulator (ARGS='--help' says what it can do)"
	@echo "make setup   install what building needs and this machine lacks"

setup:
	@bash deploy/setup.sh

setup-tests:
	@bash deploy/setup.sh tests

build: setup
	cargo build -p logmesh

demo: build
	@LOGMESH=$(abspath $(LOGMESH)) bash deploy/demo/run.sh

# Planted bugs are compiled into the simulator alone, hence by a command of their own: no binary of a node is built along with it.
test: setup-tests
	cargo test --workspace
	cargo test -p logmesh-sim --features planted --test planted

# With the same profile as everything else: cargo's own profile for benchmarks would compile RocksDB once more.
bench: setup
	cargo bench --workspace --benches --profile dev

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

sim: setup
	cargo run -p logmesh-sim -- $(ARGS)
