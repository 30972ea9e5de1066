"""Images as a dataset of PyTorch, which is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from platebench.packages.lazy_images import Images


class TorchImages(Dataset):  # type: ignore[misc]
    """A map-style dataset: item i is image i as a tensor, or a pair of it and its target.

    It may be pickled, and each worker of a DataLoader opens the package for itself. A batch is one
    request to the store. `transform` takes an array and returns what the item has in its place.
    """

    def __init__(
        self,
        images: Images,
        targets: Sequence[Any] | None = None,
        transform: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self._images = images
        self._targets = targets
        self._transform = torch.from_numpy if transform is None else transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        return self._item(index, self._images[index])

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Return the items of a batch; PyTorch's DataLoader calls it with the batch's indices."""
        return [
            self._item(index, image)
            for index, image in zip(indices, self._images[indices], strict=True)
        ]

    def _item(self, index: int, image: np.ndarray) -> Any:
        value = self._transform(image)
        return value if self._targets is None else (value, self._targets[index])
