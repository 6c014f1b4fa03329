"""Whole slides: a mosaic through a network, and a million drawn cells through the seams and all formats.

There is no stock way beside them: MMDetection predicts single images. The network of the mosaic is that of step 34 with
random weights, which finds as many cells as a tile may have.
"""

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tqdm import tqdm

from mmcellseg.data.tiff import read_image
from mmcellseg.export.cells import CellClass, Cells
from mmcellseg.export.formats import FORMATS
from mmcellseg.slides.regions import RegionImage
from mmcellseg.slides.work_list import Item
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.synthetic.data_set import make_synthetic

CONFIG = Path(__file__).resolve().parents[3] / 'configs/consep/s34_lite0.py'
SHAPES = 64  # different cells, of 12 to 36 px
OPTIONS = {'tile': 1024, 'overlap': 128}


def write_mosaic(path: Path, side: int, data: Path | None) -> None:
    """A tiled TIFF of ``side``² px: a training image of 500² px or more, and its mirror images, over and over."""
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            data = Path(folder)
            make_synthetic(data, num_train=4, num_test=1, size_range=(900, 1000), cell_scale=1.0, dense=False)
        images = (read_image(p) for p in sorted((data / 'train').glob('*/image.tif')))
        image = next(image for image in images if min(image.shape[:2]) >= 500)
    block = np.concatenate([np.concatenate([image, image[::-1]]), np.concatenate([image, image[::-1]])[:, ::-1]], 1)
    times = [-(-side // n) for n in block.shape[:2]]
    mosaic = np.tile(block, (*times, 1))[:side, :side]
    tifffile.imwrite(path, mosaic, tile=(256, 256), photometric='rgb', compression='deflate')


class DrawnSlide(RegionImage):
    """A slide of cells on a jittered lattice. A region is no picture: it is the box itself, for the stand-in."""

    path, slide = 'drawn', False

    def __init__(self, side: int, number: int) -> None:
        rng = np.random.default_rng(0)
        self.height = self.width = side
        self.columns = round(number**0.5)
        self.step = side / self.columns
        self.jitter = rng.uniform(-0.15, 0.15, (self.columns**2, 2)) * self.step
        self.shape_of = rng.integers(0, SHAPES, self.columns**2)
        sizes = rng.integers(12, 37, (SHAPES, 2))
        axes = [np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j] for h, w in sizes]
        self.shapes = [(y * y + x * x <= 1).astype(np.uint8) for y, x in axes]
        self.sizes = sizes[:, ::-1]

    def _read(self, level: Any, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        raise NotImplementedError

    def read(self, box: tuple, size: tuple | None = None) -> np.ndarray:
        return np.array(box)

    def cells(self, box: np.ndarray) -> Cells:
        """What a detector without faults finds in a tile: the cells that reach into it, cut at its edges."""
        low, high = (np.floor((box.reshape(2, 2) + [[-36], [36]]) / self.step) + [[0], [1]]).astype(int)
        columns, rows = (np.arange(max(a, 0), min(b, self.columns)) for a, b in zip(low, high))
        k = (rows[:, None] * self.columns + columns).ravel()
        middle = np.stack([k % self.columns, k // self.columns], 1) * self.step + self.step / 2 + self.jitter[k]
        corner = np.rint(middle - self.sizes[self.shape_of[k]] / 2).astype(int)
        whole = np.concatenate([corner, corner + self.sizes[self.shape_of[k]]], 1).clip(0, self.width)
        boxes = np.concatenate([np.maximum(whole[:, :2], box[:2]), np.minimum(whole[:, 2:], box[2:])], 1)
        seen = (boxes[:, 2:] - boxes[:, :2]).min(1) > 6  # a sliver of an ellipse may be empty
        k, boxes, corner = k[seen], boxes[seen], corner[seen]
        cuts = zip(self.shape_of[k].tolist(), (boxes - np.tile(corner, 2)).tolist())
        windows = [self.shapes[s][y0:y1, x0:x1] for s, (x0, y0, x1, y1) in cuts]
        boxes = boxes - np.tile(box[:2], 2)
        masks = InstanceMasks.from_windows(boxes, windows, *(box[3:1:-1] - box[1::-1]).tolist())
        return Cells(boxes.astype(float), (k % 50 + 50) / 100, k % 4 + 1, masks)


class StandIn:
    """A detector that knows the slide; counts the time that it takes."""

    classes = tuple(CellClass(k, f'class{k}') for k in range(1, 5))
    scale, page = 'dtype', 0

    def __init__(self, slide: DrawnSlide) -> None:
        self.slide, self.seconds = slide, 0.0

    def __call__(self, images: list[np.ndarray], sizes: object) -> list[Cells]:
        begun = time.perf_counter()
        found = [self.slide.cells(box) for box in images]
        self.seconds += time.perf_counter() - begun
        return found


def predict(predictor: Any, name: str, folder: Path, formats: dict[str, Any]) -> dict[str, float]:
    """Predict one image into files; wall time, and the process's highest memory."""
    from mmcellseg.runs.predict_files import predict_file

    begun = time.perf_counter()
    with tqdm(desc='predict') as bar:
        cells = predict_file(
            predictor, Item(Path(name), 'slide'), folder, formats, lambda n, _, c: bar.update(n - bar.n)
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'cells': cells, 's': time.perf_counter() - begun, 'peak MB': memory}


def million(folder: Path, side: int, number: int) -> dict[str, Any]:
    """The drawn slide into all formats; the GeoJSON is read back and counted."""
    from mmcellseg.runs.predictor import Predictor

    slide = DrawnSlide(side, number)
    predictor = Predictor(StandIn(slide), **OPTIONS)
    predictor.open = lambda path: slide  # type: ignore[method-assign]
    formats = {name: writer for name, writer in FORMATS.items() if not name.endswith('.gz')}
    row = predict(predictor, 'drawn', folder, formats)
    row['detector s'] = predictor.detector.seconds
    row['seams and files s'] = row['s'] - row['detector s']
    with (folder / 'slide.geojson').open() as file:
        features = (line.rstrip(',\n') for line in file if line.startswith('{"type":"Feature",'))
        counted = sum(json.loads(feature)['type'] == 'Feature' for feature in features)
    if not counted == row['cells'] == slide.columns**2:
        raise AssertionError(f'{slide.columns**2} cells drawn, {row["cells"]} written, {counted} read back')
    sizes = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    return {'what': f'{number} drawn cells, {side}² px, {", ".join(formats)}', **row, 'files MB': sizes}


def through_network(folder: Path, side: int, data: Path | None) -> dict[str, Any]:
    """The mosaic through a network into GeoJSON; what its ``test_step`` takes is the network's time."""
    import torch
    from mmdet.registry import MODELS

    from mmcellseg import predict as trained
    from mmcellseg.runs.launch import load_config

    write_mosaic(folder / 'mosaic.tif', side, data)
    cfg = load_config(str(CONFIG))
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    torch.save({'state_dict': MODELS.build(cfg.model).state_dict(), 'meta': {}}, folder / 'random.pth')
    model = trained.load(CONFIG, folder / 'random.pth', score_thr=0.0, workers=2, **OPTIONS)
    seconds, step = [0.0], model.detector._model.test_step

    def timed(batch: Any) -> Any:
        begun = time.perf_counter()
        found = step(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds[0] += time.perf_counter() - begun
        return found

    model.detector._model.test_step = timed
    row = predict(model, str(folder / 'mosaic.tif'), folder, {'geojson': FORMATS['geojson']})
    row['network s'] = seconds[0]
    row['all else %'] = 100 * (1 - seconds[0] / row['s'])
    return {'what': f'mosaic of {side}² px, random weights', **row}


def alone(function: Callable, *args: Any) -> dict[str, Any]:
    """Call in a fresh process, so that its memory is its own, and in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        return pool.submit(function, Path(folder), *args).result()


def run(data: Path | None, quick: bool) -> list[dict]:
    """The drawn slide of 60,000² px, and the mosaic of 10,000² px."""
    rows = [alone(million, *((3000, 2500) if quick else (60000, 1_000_000)))]
    return [*rows, alone(through_network, 200 if quick else 10000, data)]
