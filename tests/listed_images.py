"""A work list predicted by a stand-in, as a process of its own: python listed_images.py INPUT OUT SECONDS [STALE]."""

import sys
import time
from pathlib import Path

from local_detector import components

from mmcellseg.export.cells import CellClass
from mmcellseg.runs.predict_files import predict_files
from mmcellseg.runs.predictor import Predictor
from mmcellseg.slides.work_list import list_images
from mmcellseg.structures.files import atomic_open


class LineWriter:
    """A line a cell."""

    suffix = '.txt'

    def __init__(self, path, height, width, classes, mpp=None):
        self.opened = atomic_open(path)

    def __enter__(self):
        self.file = self.opened.__enter__()
        return self

    def __exit__(self, *error):
        return self.opened.__exit__(*error)

    def write(self, cells):
        for box, label, rle in zip(cells.boxes.tolist(), cells.labels.tolist(), cells.to_rles()):
            self.file.write(f'{box} {label} {rle["counts"].decode()}\n'.encode())


class SlowDetector:
    """Bright components, each call after a pause."""

    classes = (CellClass(1, 'dim'), CellClass(2, 'bright', (0, 0, 255)))
    scale, page = 'dtype', 0

    def __init__(self, seconds=0.0):
        self.seconds, self.calls = seconds, 0

    def __call__(self, images, sizes):
        time.sleep(self.seconds)
        self.calls += 1
        return [components(image) for image in images]


def run(folder, out, seconds=0.0, stale=None, formats=None, **settings):
    predictor = Predictor(SlowDetector(seconds), tile=64, overlap=16)
    return predict_files(predictor, list_images([folder]), Path(out), formats or {'txt': LineWriter}, settings, stale)


if __name__ == '__main__':
    outcome = run(sys.argv[1], sys.argv[2], float(sys.argv[3]), *map(float, sys.argv[4:]))
    print('\n'.join(outcome.lines()))
    print('predicted:', *sorted(item.name for item in outcome.predicted))
