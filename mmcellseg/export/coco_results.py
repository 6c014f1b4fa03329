"""A COCO results list of one image, written batch by batch."""

import json
from collections.abc import Generator

from ..structures.files import atomic_open
from .cells import Cells
from .writer import Writer


class CocoResultsWriter(Writer):
    """The predictions file that the project's tools read, one entry a line, with agreement where it is known."""

    suffix = '.coco.json'

    def _open(self) -> Generator[None, None, None]:
        with atomic_open(self.path) as self._file:
            self._file.write(b'[')
            yield
            self._file.write(b'\n]\n' if self.written else b']\n')

    def _write(self, cells: Cells, first: int) -> None:
        boxes = cells.boxes.copy()
        boxes[:, 2:] -= boxes[:, :2]
        agreement = [None] * len(cells) if cells.agreement is None else cells.agreement.tolist()
        entries = []
        for label, score, box, rle, agreed in zip(
            cells.labels.tolist(), cells.scores.tolist(), boxes.tolist(), cells.to_rles(), agreement
        ):
            entry = {'image_id': self.image_id, 'category_id': label, 'score': score, 'bbox': box}
            entry['segmentation'] = {'size': rle['size'], 'counts': rle['counts'].decode('ascii')}
            if agreed is not None:
                entry['agreement'] = agreed
            entries.append(json.dumps(entry))
        self._file.write((('\n' if first == 1 else ',\n') + ',\n'.join(entries)).encode())
