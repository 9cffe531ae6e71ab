"Distill four scenes of digits, shared by all processes on one run folder: shared_detection.py RUN_FOLDER"

import sys
from dataclasses import replace

from teddy_nb.detecting import detector_pool
from teddy_nb.detecting.detection_config import DETECTION_RECIPES
from teddy_nb.detecting.detection_data import DetectionSplits, digit_scenes
from teddy_nb.detection import distill_detection

detector_pool.load_detection = lambda *_: DetectionSplits(digit_scenes(40, 0), digit_scenes(8, 0, part="test"))
usual = DETECTION_RECIPES["digits"]
detector = replace(usual.detector, training=replace(usual.detector.training, batch_size=20))
DETECTION_RECIPES["digits"] = replace(
    usual,
    detector=detector,
    steps=1,
    synthesis=replace(usual.synthesis, iterations=4, group_size=2),
    eval_cfg=replace(usual.eval_cfg, steps=2),
)

if __name__ == "__main__":
    distill_detection("digits", 4, sys.argv[1])
