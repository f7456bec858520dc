# Two commands set up everything: `make demo` and `make test`. Python 3.11 or newer; nothing is compiled.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: demo test fuzz check python

demo: $(STAMP)
	$(VENV)/bin/genomask demo

# One thread for each of two test processes: more would fight over two cores.
test: $(STAMP)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2

# Damaged and absurd inputs for a minute. More, or one again: make fuzz FUZZ="--fuzz-cases 10000 --fuzz-seed 1".
FUZZ ?= --fuzz-seconds 60
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest tests/fuzz $(FUZZ)

check: $(STAMP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

# Redone only when the dependencies change.
$(STAMP): pyproject.toml constraints.txt | python
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
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
