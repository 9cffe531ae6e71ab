"Distill four scenes of digits, shared by all processes on one run folder: shared_detection.py RUN_FOLDER"

import sys

from teddy_nb.config import override
from teddy_nb.data.images import Splits
from teddy_nb.detecting.config import get_detection_recipe
from teddy_nb.detecting.data import digit_scenes
from teddy_nb.pipeline_detection import distill_detection

CHANGES = {
    "detector": {"training": {"batch_size": 20}},
    "steps": 1,
    "synthesis": {"iterations": 4, "group_size": 2},
    "eval_cfg": {"steps": 2},
}

if __name__ == "__main__":
    data = Splits(digit_scenes(40, 0), digit_scenes(8, 0, part="test"))
    distill_detection(data, override(get_detection_recipe("digits"), CHANGES), 4, sys.argv[1])
