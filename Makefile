# A thin front: CMake does the work.
JOBS ?= $(shell nproc)
.PHONY: all
all:
	@cmake --preset release >/dev/null && cmake --build --preset release -j $(JOBS)
