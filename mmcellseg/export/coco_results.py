"""A COCO results list of one image, written batch by batch."""

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
        agreement = [''] * len(cells)
        if cells.agreement is not None:
            agreement = [f', "agreement": {value!r}' for value in cells.agreement.tolist()]
        entry = (
            f'{{"image_id": {self.image_id}, "category_id": %d, "score": %r, "bbox": %s, '
            f'"segmentation": {{"size": [{self.height}, {self.width}], "counts": "%s"}}%s}}'
        )
        # Of the characters of an RLE only the backslash has a meaning in JSON.
        counts = [rle['counts'].decode('ascii').replace('\\', '\\\\') for rle in cells.to_rles()]
        entries = zip(cells.labels.tolist(), cells.scores.tolist(), boxes.tolist(), counts, agreement)
        self._file.write((('\n' if first == 1 else ',\n') + ',\n'.join(entry % values for values in entries)).encode())
