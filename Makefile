# Every command of the project; CI runs these and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --quiet
COMPILED := $(wildcard setup.py csrc/* sketches/*.p[yx][xd] ann/*.p[yx][xd] costs/*.p[yx][xd])
INSTALLED := tractable.py $(shell find sketches ann costs -name '*.py' -o -name '*.html')
STUBS := $(wildcard sketches/*.pyi ann/*.pyi costs/*.pyi)

help:  ## list the recipes
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: $(VENV)/ready $(VENV)/built  ## .venv with an editable build and all tools; again after a change of C or Cython

$(VENV)/tools: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --upgrade setuptools cython numpy
	touch $@

# Apart from the installation, which would hide the compiler's warnings and finds nothing to do.
$(VENV)/built: $(VENV)/tools $(COMPILED)
	$(BIN)/python setup.py --quiet build_clib build_ext --inplace
	touch $@

$(VENV)/ready: $(VENV)/tools | $(VENV)/built
	$(PIP) --no-build-isolation --editable '.[dev]'
	touch $@

demo: .venv-demo/bin/tractable  ## install, then find the near-duplicates in Python's own library
	$< dedup "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
	    --glob '*.py' --glob '!site-packages/**'

.venv-demo/bin/tractable: pyproject.toml $(COMPILED) $(INSTALLED)
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --quiet '.[jobs]'
	touch $@

test: dev  ## install and run the tests
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"

test-slow: dev  ## the tests that take minutes
	$(BIN)/pytest -m slow

# cython-lint looks for pycodestyle on the PATH
lint: dev  ## style, types, and the stubs against the compiled modules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	PATH="$(BIN):$$PATH" cython-lint sketches ann costs
	$(BIN)/mypy
	$(BIN)/stubtest --concise --ignore-disjoint-bases --allowlist tools/stubtest.txt \
	    $(subst /,.,$(STUBS:.pyi=))

# A build of its own under build/asan, found before the editable one. Python itself is not
# instrumented: the sanitizers' runtimes are loaded first, leaks cannot be told from its own, and
# its small-object allocator would hide overflows.
ASAN := env PYTHONPATH=build/asan PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
    LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)"

asan: dev  ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer; those of the kernels always are
	SANITIZE=address,undefined $(PIP) --no-build-isolation --no-deps --upgrade --target build/asan .
	$(ASAN) $(BIN)/pytest -n auto --dist loadfile -s -p no:cacheprovider -m "not slow" --ignore=tests/kernels

fuzz: dev  ## damaged images, for a minute; with clang the C reader under libFuzzer, for another
	$(BIN)/python tests/sketches/test_fuzz_images.py 60 $$(date +%s)
	if command -v clang >/dev/null; then clang -g -O1 -fsanitize=fuzzer,address,undefined -Icsrc \
	    tests/kernels/fuzz_hll.c csrc/hll_*baseline.c -lm -o build/fuzz_hll && \
	    build/fuzz_hll -max_total_time=60; fi

neon:  ## the C kernels for AArch64, cross-compiled, under qemu-user
	$(PYTHON) tests/kernels/check.py aarch64

bench: dev  ## benchmark the last commit in asv's own environment
	$(BIN)/asv machine --yes >/dev/null
	$(BIN)/asv run 'HEAD^!'

bench-compare: dev  ## what became worse from BASE= to HEAD=, both measured in turn; ONLY= a regex of names
	$(BIN)/asv machine --yes >/dev/null
	$(BIN)/python -m benchmarks.dashboard.compare "$(BASE)" "$(or $(HEAD),HEAD)" $(addprefix --bench=,$(ONLY))

dashboard: dev  ## error against bytes and speed, commit by commit, in .asv/html/dashboard.html
	$(BIN)/python -m benchmarks.dashboard

bench-quick: dev  ## run each benchmark once on the working tree; errors and bytes must be as accepted
	$(BIN)/asv check --python=same
	$(BIN)/python -m benchmarks.quick

bench-accept: dev  ## take the errors and bytes of the working tree for right
	$(BIN)/python -m benchmarks.quick --accept

docs: dev  ## the documentation, in docs/_build
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build

plots: dev  ## draw the figures of the documentation again
	$(PIP) --editable '.[plots]'
	$(BIN)/python docs/plots/hll_accuracy.py

dist: dev  ## sdist and wheel, each installed and tested in a fresh venv outside the checkout
	rm -rf dist
	$(BIN)/python -m build
	set -e; for archive in dist/*; do tests/dist.sh $(PYTHON) $$archive; done

clean:  ## remove all that was built
	rm -rf .venv .venv-demo build dist docs/_build *.egg-info
	find sketches ann costs -name '*.so' -delete

.PHONY: help dev demo test test-slow lint asan fuzz neon bench bench-compare dashboard bench-quick bench-accept docs plots dist clean
