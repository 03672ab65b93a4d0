"""Data on its way to a model: batches, readers of common files, and scalers fitted on training data.

Needs numpy alone, and downloads nothing.
"""

from martlet.data._batches import Batches
from martlet.data._buckets import Buckets
from martlet.data._files import load_mnist_idx, read_cifar10, read_idx
from martlet.data._scalers import MinMaxScaler, Standardizer

__all__ = ["Batches", "Buckets", "MinMaxScaler", "Standardizer", "load_mnist_idx", "read_cifar10", "read_idx"]
