"""From a config and a checkpoint to the cells of any image: tiles, scale and threshold."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log

from ..components.config_paths import annotation_file, config_datasets
from ..components.provenance import median_cell_area, sha256
from ..ensemble import build_fusion
from ..ensemble.members import Member
from ..export.cells import CellClass, Cells, join
from ..reporting.records import RecordError, read_record
from ..slides.regions import ArrayImage, RegionImage, open_image
from ..slides.seams import Seams
from ..slides.stream import Sizes, stream_cells
from ..slides.tiles import Grid
from ..slides.tissue import tiles_without_tissue
from .detector import Detector, FusedDetector, no_cells
from .ensemble_step import is_ensemble
from .launch import load_config
from .missing_members import find_checkpoint

Mpp = float | Literal['native'] | None
DEFAULT_THRESHOLD = 0.5
OFF = 1.5  # a scale or a cell's diameter that differs by more than this factor is warned about
_ALIGN = 128  # px: tiles begin where the strides of a network do, whose features then are those of the whole image
_NEAR = 1.05  # a scale that differs by less is left as it is
_ENOUGH = 200  # cells whose median is held against the training data's


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
        tile = round(self.tile / factor)
        overlap = min(round(self.overlap / factor), tile - 1)
        align = max(1, round(_ALIGN / factor))
        return Plan(Grid.cover(image.height, image.width, tile, overlap, align), factor)

    def stream(
        self, image: RegionImage, plan: Plan | None = None, progress: Callable[[int, int, int], None] | None = None
    ) -> Iterator[Cells]:
        """The cells of an image in batches, as they become final.

        Args:
            image: From ``open``.
            plan: From ``plan``.
            progress: Called with tiles done, tiles in all, and the cells found so far.
        """
        plan = plan or self.plan(image)
        skip = image.slide and not self.all_tiles
        seams = Seams(plan.grid, skipped=tiles_without_tissue(image, plan.grid) if skip else None)
        total = int(np.count_nonzero(~seams.skipped))
        areas: list[np.ndarray] = []

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
        """The cells of an image: an RGB array uint8 (H, W, 3), or a file.

        Raises:
            ImageReadError: The file cannot be read.
        """
        with self.open(image) as opened:
            mpp = opened.mpp or self.image_mpp
            size = opened.height, opened.width
            cells = join([no_cells(size, self.classes), *self.stream(opened)])
        return Cells(cells.boxes, cells.scores, cells.labels, cells.masks, self.classes, cells.agreement, mpp)

    def _factor(self, image: RegionImage) -> float:
        own, wanted = image.mpp or self.image_mpp, self.mpp
        if not own or not (isinstance(wanted, float) or self.trained_mpp):
            lacking = 'its file names no µm/px (--image-mpp gives it)' if not own else 'the config has no pixel_size'
            self._say(f'{image.path}: {lacking}, so it is not resampled', 'unknown', logging.INFO)
            return 1.0
        reference = self.trained_mpp or wanted
        assert isinstance(reference, float)
        if isinstance(wanted, float) and max(own / wanted, wanted / own) > _NEAR:
            if own / wanted > OFF:
                self._say(
                    f'{image.path} has {own:.3g} µm/px, and is enlarged {own / wanted:.2g} times to {wanted:.3g}: '
                    'detail that is not there cannot come back',
                    'enlarged',
                )
            factor = own / wanted
        else:
            factor = 1.0
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


def fitted_threshold(config: str | os.PathLike, folder: Path) -> tuple[float, Path] | None:
    """The score threshold that a record has fitted for label maps, and the record's folder.

    Args:
        config: The step of the config has its record in a folder of its name, also where it takes another's weights.
        folder: The folder of the checkpoint, whose record is the second choice.
    """
    for place in (folder.parent / Path(config).stem, folder):
        try:
            record = read_record(place)
        except RecordError:
            continue
        found = (record.get('validation') or record).get('label_map_score_threshold')
        if found is not None:
            return float(found), place
    return None


def training_cell_area(cfg: Config, folder: Path) -> float | None:
    """Median area in px² of the cells that a model was trained on: from its record, else from its annotations."""
    files = [path for path in map(annotation_file, config_datasets(cfg, 'train')) if path]
    try:
        data = read_record(folder).get('data', {})
    except RecordError:
        data = {}
    for path in files:
        described = [value.get('median_area') for key, value in data.items() if key and path.endswith(key)]
        area = next(iter(described), None) or (
            median_cell_area(json.loads(Path(path).read_text())) if Path(path).is_file() else None
        )
        if area:
            return float(area)
    return None


def load(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    score_thr: float | Literal['auto'] = 'auto',
    tta: bool = False,
    device: str = 'auto',
    mpp: Mpp = None,
    **options,
) -> Predictor:
    """Load a trained model, or an ensemble.

    Args:
        config: The model's config file, or an ensemble's, whose members name their configs.
        checkpoint: The model's weights; None for an ensemble, whose members name theirs.
        score_thr: Least score of a cell; 'auto': what the run's record fitted, else 0.5.
        tta: Test-time augmentation. A config with ``tta = True`` has it anyway.
        device: As torch names it; 'auto': the GPU of this process (LOCAL_RANK), else the CPU.
        mpp: µm/px that the network shall see; 'native': images stay as they are. Default: the config's ``pixel_size``.
        options: Of ``Predictor``.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        CheckpointError: The weights are not those of the config.
        ValueError: The config cannot be used.
    """
    if device == 'auto':
        device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    cfg = load_config(str(config))
    if is_ensemble(cfg):
        members = [Member(**member) for member in cfg.members]
        folder = Path(cfg.out_dir)
    elif checkpoint is None:
        raise ValueError(f'{config} is the config of one model: give its checkpoint')
    else:
        members = [Member('model', '', config=str(config), checkpoint=str(checkpoint))]
        folder = Path(checkpoint).parent
    configs, detectors, weights = [], [], []
    for member in members:
        if member.config is None:
            raise ValueError(f'{config}: member {member.name!r} names no config, so it cannot predict new images')
        own, path = load_config(member.config), find_checkpoint(member) if checkpoint is None else Path(checkpoint)
        configs.append(own)
        detectors.append(Detector(own, str(path), device, tta or bool(own.get('tta'))))
        weights.append(sha256(path))
    sizes = {own.get('pixel_size') for own in configs}
    if len(sizes) > 1:
        raise ValueError(f'{config}: the members were trained at different pixel_size ({sizes}): give --mpp native')
    trained_mpp = sizes.pop()
    if score_thr == 'auto':
        fitted = fitted_threshold(config, folder)
        score_thr, place = fitted or (DEFAULT_THRESHOLD, None)
        why = f'fitted in {place}' if place else 'none was fitted in a record beside the checkpoint'
        print_log(f'score threshold {score_thr:g}: {why}', 'current')
    if is_ensemble(cfg):
        named = [m.name for m in members], [m.weight for m in members]
        detector: Detector | FusedDetector = FusedDetector(detectors, build_fusion(cfg.fusion), *named)
    else:
        detector = detectors[0]
    detector.score_thr = score_thr
    area = training_cell_area(configs[0], folder)
    wanted = trained_mpp if mpp is None else mpp
    identity = {'config': str(config), 'weights': weights, 'score_thr': score_thr, 'tta': tta}
    return Predictor(detector, mpp=wanted, trained_mpp=trained_mpp, cell_area=area, identity=identity, **options)
