# Two commands set up everything: `make demo` and `make test`. Python 3.11 or newer; nothing is compiled.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: demo test test-oldest coverage test-processors rehearse-gpu fuzz conformance check docs python

demo: $(STAMP)
	$(VENV)/bin/genomask demo

# Two test processes of one thread each. Each takes some 20 seconds to start, all of it imports.
PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal
test: $(STAMP)
	$(PYTEST) $(TESTS)

# The same tests with the oldest versions that pyproject.toml allows, in an environment of their own: on Linux 5.5 GB, as
# this PyTorch comes with CUDA. Packages without such a bound are as new as pip finds.
BOUNDS = sed -nE '/^dependencies/,/^]/s/^ *"([a-z-]+)>=([0-9.]+)",.*/\1==\2.*/p' pyproject.toml
test-oldest: VENV = build/oldest
test-oldest: | python
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	PYTHONWARNINGS="ignore:Editable installation" \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -e ".[dev]" $$($(BOUNDS))
	$(PYTEST) $(TESTS)

# The same tests, with the package's coverage by lines and branches.
coverage: $(STAMP)
	$(PYTEST) --cov --cov-report=term

# What may depend on the processor, whatever this one is: bf16 units, ATen's vectors, threads. In four runs each pair of
# values meets once; `default` is ATen without vectors, and oneDNN emulates bf16 as it does where nothing has units for
# it. The combination that this machine has itself is left out: that run is `test`.
test-processors: as-yes-default-1 as-yes-avx2-2 as-no-default-2 as-no-avx2-1

# as-UNITS-VECTORS-THREADS; only files with marked tests are collected. Waiting threads sleep: beside another process, a
# spinning thread takes the core from the very thread that it waits for.
as-%: PART = $(word $(1),$(subst -, ,$*))
as-%: $(STAMP)
	! $(VENV)/bin/python tests/own_processor.py $* || exit 0; \
	  ATEN_CPU_CAPABILITY=$(call PART,2) ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=$(call PART,3) \
	  MKL_NUM_THREADS=$(call PART,3) OMP_WAIT_POLICY=passive \
	  $(VENV)/bin/python -m pytest -m processor --bf16-units $(call PART,1) \
	  $$(grep -rl --include='test_*.py' mark.processor tests)

# Damaged and absurd inputs for half a minute. For more, or one case again: make fuzz FUZZ="--fuzz-cases 10000 --fuzz-seed 1".
FUZZ ?= --fuzz-seconds 30
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest tests/fuzz $(FUZZ)

# What benchmarks/on_gpu.py does on a GPU, at toy sizes on a device that stands in for one.
rehearse-gpu: $(STAMP)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m rehearsal

# transformers' own common tests, which pip fetches, on our models and tokenizer; BERT's results beside them. Their
# extra packages go to a separate folder, so that no other process finds them half installed.
conformance: $(STAMP)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --no-deps --upgrade --target build/conformance/packages parameterized peft
	$(VENV)/bin/python tests/conformance/run.py

check: $(STAMP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

# The site of README.md, docs/ and the API reference: build/site/index.html. A warning is an error.
docs: $(STAMP)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(VENV)/bin/python docs/architecture.py
	mkdir -p build/pages
	for page in $(PAGES); do ln -sfn ../../$$page build/pages/$$page; done
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict

# Linked, not copied, so that links between pages stay those of the checkout.
PAGES = README.md CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE Makefile .ci benchmarks docs examples genomask tests

# A run imports less than a third of the packages' files: pip compiles none, and Python compiles each on first import,
# which every process would repeat with PYTHONDONTWRITEBYTECODE.
unexport PYTHONDONTWRITEBYTECODE

# Redone only when the dependencies change. The pip that comes with Python 3.11 takes nearly twice as long as a new one.
$(STAMP): pyproject.toml constraints.txt | python
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	PYTHONWARNINGS="ignore:Editable installation" \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[dev]"
	touch $@

python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: $(PYTHON) was not found; install Python 3.11 or newer (Debian, Ubuntu: apt install python3 python3-venv)," \
	    "or name yours: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$($(PYTHON) --version) is too old, genomask needs Python 3.11 or newer" \
	    "(Debian, Ubuntu: apt install python3.11 python3.11-venv), then: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "error: $(PYTHON) lacks its venv module; install it (Debian, Ubuntu: apt install" \
	    "python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv)" >&2; exit 2; }
