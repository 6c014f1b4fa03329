"""From a detector to the cells of an image of any size: scale and tiles."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from mmengine.logging import print_log

from ..export.cells import CellClass, Cells, join
from ..slides.regions import ArrayImage, RegionImage, open_image
from ..slides.seams import Seams
from ..slides.stream import Sizes, stream_cells
from ..slides.tiles import Grid
from ..slides.tissue import tiles_without_tissue
from .detector import Detector, FusedDetector, no_cells

Mpp = float | Literal['native'] | None
OFF = 1.5  # a scale or a cell's diameter that differs by more than this factor is warned about
_ALIGN = 128  # px: tiles begin where the strides of a network do, whose features then are those of the whole image
_NEAR = 1.05  # a scale that differs by less is left as it is
_ENOUGH = 200  # cells whose median is held against the training data's
_MOST_OVERLAP = 0.75  # of a tile: beyond, the number of tiles explodes


@dataclass(frozen=True)
class Plan:
    """How an image is cut: the tiles, and the factor by which each is resized for the detector."""

    grid: Grid
    factor: float


@dataclass
class Predictor:
    """Predicts images of any size; called with one, it returns its cells.

    Args:
        detector: The model or the ensemble.
        tile, overlap: In px that the detector sees. Cells must be smaller than the overlap to be seen whole by a tile.
        batch: Tiles predicted at once.
        workers: Threads that read tiles.
        mpp: µm/px that the detector shall see; 'native' or None: no resampling.
        image_mpp: µm/px of images whose file does not say.
        trained_mpp: µm/px of the training images, for the warning.
        cell_area: Median area in px² of the training data's cells, for the warning.
        all_tiles: Predict tiles of slides that show no tissue, too.
        identity: What was loaded, for files that say what they came from.
    """

    detector: Detector | FusedDetector
    tile: int = 1024
    overlap: int = 128
    batch: int = 1
    workers: int = 0
    mpp: Mpp = None
    image_mpp: float | None = None
    trained_mpp: float | None = None
    cell_area: float | None = None
    all_tiles: bool = False
    identity: dict[str, Any] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in ('tile', 'batch', 'mpp', 'image_mpp'):
            value = getattr(self, name)
            if not (value is None or value == 'native' or value > 0):
                raise ValueError(f'{name} {value}: expected more than 0')
        if not 0 <= self.overlap <= _MOST_OVERLAP * self.tile:
            raise ValueError(
                f'tiles of {self.tile} px that share {self.overlap} px: they may share three quarters at most, '
                f'or there are too many of them; give an overlap of {self.tile // 2} px, or larger tiles'
            )

    @property
    def classes(self) -> tuple[CellClass, ...]:
        """The classes in the order of the model's outputs."""
        return self.detector.classes

    def open(self, image: np.ndarray | str | os.PathLike) -> RegionImage:
        """An RGB array uint8 (H, W, 3) or a file, as an image of regions."""
        if isinstance(image, np.ndarray):
            return ArrayImage(image)
        return open_image(image, self.detector.scale, self.detector.page)

    def plan(self, image: RegionImage) -> Plan:
        """The tiles of an image, and by which factor they are resized for the detector."""
        factor = self._factor(image)
        tile, overlap, align = (max(1, round(px / factor)) for px in (self.tile, self.overlap, _ALIGN))
        return Plan(Grid.cover(image.height, image.width, tile, min(overlap, tile - 1), align), factor)

    def stream(
        self, image: RegionImage, plan: Plan | None = None, progress: Callable[[int, int, int], None] | None = None
    ) -> Iterator[Cells]:
        """The cells of an image (from ``open``) in batches, as they become final.

        ``progress`` is called with tiles done, tiles in all, and the cells found so far.
        """
        plan = plan or self.plan(image)
        skip = image.slide and not self.all_tiles
        seams = Seams(plan.grid, skipped=tiles_without_tissue(image, plan.grid) if skip else None)
        total = int(np.count_nonzero(~seams.skipped))
        areas: list[np.ndarray] = []
        self.detector.image = image.path

        def detect(tiles: Sequence[np.ndarray], sizes: Sizes) -> list[Cells]:
            found = self.detector(tiles, sizes)
            if sum(map(len, areas)) < _ENOUGH:
                areas.extend(cells.masks.areas * plan.factor**2 for cells in found)
                self._check_cells(image.path, np.concatenate(areas))
            return found

        def report(tiles: int, cells: int) -> None:
            if progress is not None:
                progress(tiles, total, cells)

        yield from stream_cells(image, detect, seams, plan.factor, self.batch, self.workers, report)

    def __call__(self, image: np.ndarray | str | os.PathLike) -> Cells:
        """The cells of an image: an RGB array uint8 (H, W, 3), or a file. Raises ``ImageReadError``."""
        with self.open(image) as opened:
            none = no_cells((opened.height, opened.width), self.classes)
            cells = replace(join([none, *self.stream(opened)]), mpp=opened.mpp or self.image_mpp)
        for message in self.caps_reached():
            self._say(message, 'caps')
        return cells

    def caps_reached(self) -> list[str]:
        """A message for each of the model's caps on detections that tiles of images have reached so far."""
        known = isinstance(self.detector, Detector | FusedDetector)
        return [f'{message}; or take smaller tiles' for message in self.detector.caps_reached()] if known else []

    def _factor(self, image: RegionImage) -> float:
        """By what an image is resized for the detector; a scale that promises little is warned about."""
        own, wanted, factor = image.mpp or self.image_mpp, None if self.mpp == 'native' else self.mpp, 1.0
        reference = self.trained_mpp or wanted
        if not own or not reference:
            lacking = 'its file names no µm/px (--image-mpp gives it)' if not own else 'the config has no pixel_size'
            self._say(f'{image.path}: {lacking}, so it is not resampled', 'unknown', logging.INFO)
            return factor
        if wanted and max(own / wanted, wanted / own) > _NEAR:
            factor = own / wanted
            if factor > OFF:
                self._say(
                    f'{image.path} has {own:.3g} µm/px, and is enlarged {factor:.2g} times to {wanted:.3g}: '
                    'detail that is not there cannot come back',
                    'enlarged',
                )
        off = own / factor / reference
        if max(off, 1 / off) > OFF:
            self._say(
                f'{image.path}: the network sees {own / factor:.3g} µm/px, and was trained at {reference:.3g}: expect '
                f'bad results; --mpp {reference:.3g} resamples',
                'magnification',
            )
        return factor

    def _check_cells(self, path: str, areas: np.ndarray) -> None:
        if self.cell_area and len(areas) >= _ENOUGH:
            ratio = float(np.sqrt(np.median(areas) / self.cell_area))
            if max(ratio, 1 / ratio) > OFF:
                self._say(
                    f'{path}: the first {len(areas)} cells have a median of {np.median(areas):.0f} px² where the '
                    f"training data's is {self.cell_area:.0f} px²: check the magnification (--mpp, --image-mpp)",
                    'cells',
                )

    def _say(self, text: str, kind: str, level: int = logging.WARNING) -> None:
        """Log a word of its kind once."""
        if kind not in self._said:
            self._said.add(kind)
            print_log(text, 'current', level)
