"""GeoJSON as QuPath reads it: one detection a cell, its polygon along pixel edges with holes."""

import gzip
import json
from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any, cast

import numpy as np

from ..structures.files import atomic_open
from ..structures.ragged import offsets
from .cells import CellClass, Cells
from .outlines import Outlines, trace
from .table import areas_and_centroids
from .writer import Writer


def features(cells: Cells) -> Iterator[dict[str, Any]]:
    """One Feature a cell, in their order; a mask without pixels is left out."""
    return map(json.loads, _feature_texts(cells, {c.id: c for c in cells.classes}, cells.mpp))


def _feature_texts(cells: Cells, classes: dict[int, CellClass], mpp: float | None) -> Iterator[str]:
    """The features as JSON, pieced together: the coordinates are most of a file, and formatted all at once."""
    about = {
        c.id: '{"objectType":"detection","classification":'
        + json.dumps({'name': c.name, 'color': list(c.color)}, ensure_ascii=False, separators=(',', ':'))
        for c in classes.values()
    }
    area = areas_and_centroids(cells.masks)[0]
    named = {'Score': cells.scores.tolist(), 'Area px^2': area.tolist()}
    if mpp is not None:
        named['Area µm^2'] = (area * mpp**2).round(4).tolist()
    if cells.agreement is not None:
        named['Agreement'] = cells.agreement.tolist()
    template = ',"measurements":{' + ','.join(f'"{name}":%r' for name in named) + '}}'
    labels, measurements = cells.labels.tolist(), list(zip(*named.values()))
    for k, kind, coordinates in _geometries(trace(cells.masks)):
        geometry = f'{{"type":"{kind}","coordinates":{coordinates}}}'
        properties = about[labels[k]] + template % measurements[k]
        yield f'{{"type":"Feature","geometry":{geometry},"properties":{properties}}}'


def _geometries(outlines: Outlines) -> Iterator[tuple[int, str, str]]:
    """Of each mask with pixels its index, the kind of geometry, and its coordinates as JSON."""
    begins, lengths = outlines.starts[:-1], np.diff(outlines.starts)
    # GeoJSON repeats the first corner of a ring at its end.
    closed = np.insert(np.arange(len(outlines.vertices)), outlines.starts[1:], begins)
    text, ends = _points(outlines.vertices[closed])
    cuts = ends[offsets(lengths + 1)].tolist()
    rings = [f'[{text[a : b - 1]}]' for a, b in pairwise(cuts)]
    heads = np.flatnonzero(np.diff(outlines.owner, prepend=-1))
    hole = outlines.hole.tolist()
    for k, a, b in zip(outlines.owner[heads].tolist(), heads.tolist(), [*heads[1:].tolist(), len(rings)]):
        if b == a + 1:
            yield k, 'Polygon', f'[{rings[a]}]'
            continue
        pieces: list[list[str]] = []
        for ring, inside in zip(rings[a:b], hole[a:b]):
            if not inside:
                pieces.append([])
            pieces[-1].append(ring)
        polygons = [f'[{",".join(piece)}]' for piece in pieces]
        yield (k, 'Polygon', polygons[0]) if len(polygons) == 1 else (k, 'MultiPolygon', f'[{",".join(polygons)}]')


def _points(xy: np.ndarray) -> tuple[str, np.ndarray]:
    """``[x,y],`` of points (V, 2) int, none below 0, end to end, and where each begins (V + 1,)."""
    digits = len(str(xy.max(initial=0)))
    text = np.empty((len(xy), 2 * digits + 4), np.uint8)
    keep = np.ones(text.shape, bool)
    text[:, 0], text[:, digits + 1], text[:, -2], text[:, -1] = b'[,],'
    for first, values in zip((1, digits + 2), xy.T.astype(np.uint32)):
        for place in range(digits - 1, -1, -1):
            rest = values // 10
            text[:, first + place] = values - 10 * rest + ord('0')
            if place < digits - 1:
                keep[:, first + place] = values > 0
            values = rest
    return text[keep].tobytes().decode('ascii'), offsets(keep.sum(axis=1))


class GeoJsonWriter(Writer):
    """A FeatureCollection, one feature a line; gzipped where the path ends in ``.gz``."""

    suffix = '.geojson'

    def _open(self) -> Generator[None, None, None]:
        with atomic_open(self.path) as file:
            self._file = file
            if self.path.suffix == '.gz':  # without name and time: the same cells give the same bytes
                self._file = cast(Any, gzip.GzipFile('', 'wb', 4, file, mtime=0))
            self._file.write(b'{"type":"FeatureCollection","features":[')
            self._separator = '\n'
            yield
            self._file.write(b'\n]}\n')
            if self._file is not file:
                self._file.close()

    def _write(self, cells: Cells, first: int) -> None:
        texts = ',\n'.join(_feature_texts(cells, self.classes, self.mpp))
        if texts:
            self._file.write((self._separator + texts).encode())
            self._separator = ',\n'


class GeoJsonGzWriter(GeoJsonWriter):
    """The same, gzipped."""

    suffix = '.geojson.gz'
