"""GeoJSON as QuPath reads and writes it: one detection a cell, its polygon along pixel edges with holes."""

import gzip
import json
import math
import os
import re
from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import Any, TextIO, cast

import numpy as np
import shapely
from shapely.geometry import shape

from ..structures.files import atomic_open
from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets
from .cells import CellClass, Cells
from .outlines import Outlines, trace
from .writer import Writer, areas_and_centroids

# A list of features is as good as a collection. No list comes before that of the features.
_HEAD = re.compile(r'\ufeff?\s*(\[|\{[^\[]*?"features"\s*:\s*\[)')
_BETWEEN = re.compile(r'[\s,]*')


class ExportReadError(ValueError):
    """A file that cells cannot be read from; the message names it, what was found, and what was expected."""


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
    numbers = np.arange(int(xy.max(initial=0)) + 1)
    digits = len(str(numbers[-1]))
    # Each number as x and as y, with zeros for what it does not fill; numpy copies rows of 4, 8 or 16 bytes fastest.
    texts = np.zeros((len(numbers), 2, 1 << (digits + 1).bit_length()), np.uint8)
    texts[:, 0, 0], texts[:, 0, digits + 1], texts[:, 1, digits], texts[:, 1, digits + 1] = b'[,],'
    lengths = np.full(len(numbers), 2)
    for place in range(digits - 1, -1, -1):
        shown = (numbers > 0) | (place == digits - 1)
        texts[:, 0, 1 + place] = texts[:, 1, place] = np.where(shown, numbers % 10 + ord('0'), 0)
        lengths += shown
        numbers //= 10
    text = texts.reshape(-1, texts.shape[2]).take((2 * xy + [0, 1]).ravel(), axis=0)
    return text.tobytes().translate(None, b'\0').decode('ascii'), offsets(lengths[xy.ravel()])[::2]


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


def read_geojson(path: str | os.PathLike, height: int, width: int) -> tuple[list[str | None], InstanceMasks]:
    """The class of each cell (None: unclassified) and its mask: the pixels whose centre lies inside the polygon.

    Args:
        path: A FeatureCollection or a list of features; gzipped if its name ends in ``.gz``.
        height, width: Of the image in px. What lies outside is cut off.

    Raises:
        ExportReadError: The file is no GeoJSON, is truncated, or has a geometry other than polygons.
    """
    names: list[str | None] = []
    boxes, windows = [], []
    centres = np.arange(max(height, width)) + 0.5
    for index, feature in enumerate(_features(path)):
        try:
            # QuPath's cells have a nucleus besides; the cell is the geometry.
            geometry, kind = feature['geometry'], feature['geometry']['type']
            named = (feature.get('properties') or {}).get('classification') or {}
            names.append(named.get('name'))
        except (KeyError, TypeError, AttributeError):
            raise ExportReadError(
                f'{path}: feature {index} is {str(feature)[:60]}, expected a feature with a geometry'
            ) from None
        if kind not in ('Polygon', 'MultiPolygon'):
            raise ExportReadError(
                f'{path}: feature {index} is a {kind}, expected a Polygon or MultiPolygon: export cells alone'
            )
        try:
            polygon = shape(geometry)
            if polygon.is_empty or not np.isfinite(shapely.get_coordinates(polygon)).all():
                raise ValueError('it is empty, or a number is not finite')
            x1, y1, x2, y2 = polygon.bounds
        except (ValueError, TypeError, LookupError, AttributeError, shapely.GEOSException) as error:
            raise ExportReadError(f'{path}: feature {index} is no polygon of points [x, y] ({error})') from None
        shapely.prepare(polygon)
        columns = slice(*(min(max(x, 0), width) for x in (math.floor(x1), math.ceil(x2))))
        rows = slice(*(min(max(y, 0), height) for y in (math.floor(y1), math.ceil(y2))))
        boxes.append((columns.start, rows.start, columns.stop, rows.stop))
        windows.append(shapely.contains_xy(polygon, centres[columns], centres[rows, None]).astype(np.uint8))
    return names, InstanceMasks.from_windows(np.reshape(boxes, (-1, 4)), windows, height, width)


def _features(path: str | os.PathLike) -> Iterator[Any]:
    """The features of a file, one at a time: decoded, they take ten times the memory of their text."""
    decode = json.JSONDecoder().raw_decode
    try:
        opener = gzip.open if str(path).endswith('.gz') else open
        with cast(TextIO, opener(path, 'rt', encoding='utf-8')) as file:
            text = file.read()
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ExportReadError(f'{path}: truncated or damaged ({error}): export it again') from error
    head = _HEAD.match(text)
    if head is None:
        raise ExportReadError(f'{path}: expected a GeoJSON FeatureCollection, found {text[:40]!r}')
    at = cast(re.Match, _BETWEEN.match(text, head.end())).end()
    while not text.startswith(']', at):
        try:
            value, at = decode(text, at)
        except json.JSONDecodeError as error:
            raise ExportReadError(f'{path}: truncated or not JSON ({error}): export it again') from error
        yield value
        at = cast(re.Match, _BETWEEN.match(text, at)).end()
