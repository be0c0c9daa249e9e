# A thin front: CMake does the work. `make test` and `make demo` each work as the first command on a bare machine.
JOBS ?= $(shell nproc)

.PHONY: all test demo experiment bench lint format fuzz clean

all:
	@./scripts/setup.sh
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

test:
	@./scripts/setup.sh
	@./scripts/run-tests.sh

demo:
	@./scripts/demo.sh

# The tables of docs/RESULTS.md, from texts to figures (about an hour on two cores).
experiment: all
	@./scripts/experiment.sh

bench: all
	@./build/toolformer bench

lint:
	@./scripts/setup.sh lint
	@./scripts/lint.sh

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

# Every fuzz target for FUZZ_SECONDS each (default ten minutes).
fuzz:
	@./scripts/setup.sh lint
	@./scripts/fuzz.sh

clean:
	@rm -rf build build-dev build-clang build-asan build-fuzz
