# Thin names for Python entry points; every target also works on a machine without make (README).
#   PYTHON       the Python that makes .venv               make lab PYTHON=python3.12
#   TORCH_INDEX  an extra package index, for torch's CPU build
#   ARGS         more words for the program                make lab ARGS="--no-browser --port 8899"
#   NB, FROM     notebooks by number                       make notebooks NB=03 · make course FROM=04
#   SUBMISSIONS  a folder to grade                         make classroom SUBMISSIONS=handed_in
#   WORKERS      test processes, one a core by default     make test WORKERS=1

PYTHON ?= python3
TORCH_INDEX ?=
NB ?=
FROM ?=
ARGS ?=
WORKERS ?=
SUBMISSIONS ?=

# Relative, so that a folder with spaces in its name is no trouble.
ifeq ($(OS),Windows_NT)
PY := .venv/Scripts/python.exe
else
PY := .venv/bin/python
endif
COURSE := $(PY) -c "from course_lib.cli import main; main()"
FIRST := notebooks/00_start_here.ipynb

# Set before Python starts: torch reads it once. A second thread beside a busy process costs a lot.
export OMP_NUM_THREADS := 1
export PYTHONUTF8 := 1
export ARGS WORKERS

.DEFAULT_GOAL := help
.PHONY: help ready ready-classroom ready-book ready-browser lab test test-fast test-slow bars course zoo notebooks bench lint classroom book slides

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

# .venv/.ready holds a digest of pyproject.toml, constraints.txt and this folder's path: the script
# returns at once where it still fits, installs where it does not, mends a half-made .venv.
ready:
	@"$(PYTHON)" course_lib/devtools/setup_env.py --torch-index "$(TORCH_INDEX)"

ready-classroom: ready
	@"$(PYTHON)" course_lib/devtools/setup_env.py --torch-index "$(TORCH_INDEX)" --extra classroom

ready-book: ready
	@"$(PYTHON)" course_lib/devtools/setup_env.py --torch-index "$(TORCH_INDEX)" --extra book

# The Python packages that drive a browser; the browser itself is the machine's own.
ready-browser: ready
	@"$(PYTHON)" course_lib/devtools/setup_env.py --torch-index "$(TORCH_INDEX)" --extra browser

lab: ready ## set up what is missing, open JupyterLab on the first notebook
	$(PY) -m jupyterlab $(wildcard $(FIRST)) $(ARGS)

test: ready ## unit and parity tests, then every notebook compared strictly
	@$(PY) -m course_lib.devtools.checks test

test-fast: ready ## unit tests and the notebooks you changed, at most 3 minutes
	@$(PY) -m course_lib.devtools.checks test-fast

test-slow: ready-classroom ready-book ready-browser ## the tests that take longer
	@$(PY) -m course_lib.devtools.checks test-slow

bars: ready ## train every recipe at the toy scale and hold it against its bars
	@$(PY) -m course_lib.devtools.checks bars

course: ready ## run every notebook, then a table of what each model learned
	@$(PY) -m course_lib.devtools.whole_course --start "$(FROM)"

zoo: ready ## make the pretrained toy models again, measure their gates
	@$(COURSE) zoo build $(ARGS)

notebooks: ready ## execute notebooks and store their outputs: make notebooks NB=03
	@$(PY) -m course_lib.devtools.execute $(NB)

classroom: ready-classroom ## editions for instructor and students; SUBMISSIONS=folder grades it
	@$(PY) -m course_lib.classroom $(if $(SUBMISSIONS),grade "$(SUBMISSIONS)" $(ARGS),make $(NB))

book: ready-book ## the website: build/book/index.html opens without a server
	@$(PY) -m course_lib.book book $(NB)

slides: ready-book ## slides of the tagged cells: build/slides/index.html
	@$(PY) -m course_lib.book slides $(NB)

bench: ready ## time and memory against the reference
	@$(PY) -m course_lib.devtools.checks bench

lint: ready ## format, style and spelling
	@$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m codespell_lib
