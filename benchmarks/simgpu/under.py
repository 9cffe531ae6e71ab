"Run a script with the pretend accelerator as its device: under.py SCRIPT [ARGUMENT ...]"

import runpy
import sys

import simgpu  # noqa: F401

sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
