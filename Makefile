PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: distill test save docs gpu simgpu

distill: $(READY)  ## distil the embedded digits at one image per class, end to end
	$(BIN)/teddy_distill --dataset digits --ipc 1 --pool prior --out runs/digits

test: $(READY)  ## everything CI runs; PART=package or PART=site for one of its two jobs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/check.py $(PART)

save: $(READY)  ## NB=nbs/x.ipynb: export, run, save and clean a notebook; FLAGS="slow cuda" runs those cells too
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/save.py --flags "$(FLAGS)" $(NB)

docs: $(READY)  ## the site, in _docs
	@command -v quarto >/dev/null || \
	  { echo "make docs needs Quarto 1.7.31; install it from https://quarto.org/docs/download and run make docs again" >&2; exit 2; }
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tools nbdev_docs

gpu: $(READY)  ## what only a GPU can show, in slices of at most nine minutes; again until all is done
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/gpu.py

simgpu: $(READY)  ## the run-book and the walk on a pretend accelerator, which needs a C++ compiler
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python benchmarks/gpu.py --simulated

$(READY): settings.ini setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "teddy_nb needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@
