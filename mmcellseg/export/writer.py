"""What all writers of cells share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from ..structures.files import atomic_open
from .cells import CellClass, Cells


class Writer(ABC):
    """A file of the cells of one image, written batch by batch inside a ``with`` block.

    The file appears under its name at the end of the block; after an error nothing is left of it. Cells have numbers
    from 1 in the order in which they are written.

    Args:
        path: The file to write.
        image_name: File name of the image.
        height, width: Of the image in px.
        classes: All that cells may have.
        mpp: Size of a pixel in µm, None if unknown.
        image_id: The image's id in a COCO json, for formats that name it.
    """

    suffix: ClassVar[str]

    def __init__(
        self,
        path: str | os.PathLike,
        image_name: str,
        height: int,
        width: int,
        classes: Sequence[CellClass],
        mpp: float | None = None,
        image_id: int = 1,
    ) -> None:
        self.path, self.image_name, self.height, self.width = Path(path), image_name, height, width
        self.classes = {c.id: c for c in classes}
        self.mpp, self.image_id = mpp, image_id
        self.written = 0

    def __enter__(self) -> Self:
        self._opened: Any = contextmanager(self._open)()
        self._opened.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def write(self, cells: Cells) -> None:
        """Write a batch of cells, in px of the whole image.

        Raises:
            ValueError: The cells are of another image size, of an unknown class, or have a score that is no number.
        """
        if (cells.height, cells.width) != (self.height, self.width):
            raise ValueError(
                f'{self.path}: expected cells of an image of {self.height} x {self.width} px, found '
                f'{cells.height} x {cells.width}'
            )
        unknown = set(cells.labels.tolist()) - set(self.classes)
        if unknown or not np.isfinite(cells.scores).all():
            found = f'class {min(unknown)}' if unknown else 'a score that is no number'
            raise ValueError(f'{self.path}: expected scores and classes {list(self.classes)}, found {found}')
        if len(cells):
            self._write(cells, self.written + 1)
            self.written += len(cells)

    def _open(self) -> Generator[None, None, None]:
        """Everything but the cells: what comes before them, then ``yield``, then what comes after them."""
        with atomic_open(self.path) as self._file:
            yield

    _file: BinaryIO

    @abstractmethod
    def _write(self, cells: Cells, first: int) -> None:
        """Write at least one cell; the first has the number ``first``."""
