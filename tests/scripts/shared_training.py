"Train a small network on the digits, shared by the processes that were started together: shared_training.py POOL_FOLDER BATCH_SIZE"

import sys

import torch

from teddy_nb.config import TrainConfig
from teddy_nb.data.datasets import load_data
from teddy_nb.data.images import Splits
from teddy_nb.pool_prior import train_trajectory
from teddy_nb.runs.store import Store

train, test = load_data("digits")
data = Splits(train.subset(torch.arange(1024)), test)
train_trajectory(data, "convnet-2-8-group", TrainConfig(2, int(sys.argv[2]), 0.05), 0, Store(sys.argv[1]))
if torch.distributed.is_initialized():  # gloo's threads may abort a process that ends while the other one does
    torch.distributed.destroy_process_group()
