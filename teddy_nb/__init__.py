__version__ = "0.1.0"
from teddy_nb.labels import load
