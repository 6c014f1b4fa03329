"""Cells of a GeoJSON, ours or QuPath's, read feature by feature."""

import gzip
import json
import os
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, TextIO, cast

import numpy as np

from ..structures.masks import InstanceMasks
from ..structures.ragged import offsets
from .outlines import fill

_CHUNK = 1 << 20
_LONGEST = 1 << 26  # characters of a feature
_BATCH = 10_000
# A list of features is as good as a collection. No list comes before that of the features.
_HEAD = re.compile(r'\ufeff?\s*(\[|\{[^\[]*?"features"\s*:\s*\[)')
_BETWEEN = re.compile(r'[\s,]*')


class ExportReadError(ValueError):
    """A file that cells cannot be read from; the message names it, what was found, and what was expected."""


def read_geojson(path: str | os.PathLike, height: int, width: int) -> tuple[list[str | None], InstanceMasks]:
    """The class of each cell (None: unclassified) and its mask: the pixels whose centre lies inside the polygon.

    Args:
        path: A FeatureCollection or a list of features; gzipped if its name ends in ``.gz``.
        height, width: Of the image in px. What lies outside is cut off.

    Raises:
        ExportReadError: The file is no GeoJSON, is truncated, or has a geometry other than polygons.
    """
    names: list[str | None] = []
    parts = [InstanceMasks.from_windows(np.zeros((0, 4)), [], height, width)]
    rings: list[list] = []
    owner: list[int] = []

    def finish() -> None:
        try:
            lengths = np.array([len(ring) for ring in rings], np.int64)
            points = list(chain.from_iterable(rings))
            vertices = np.array(points, np.float64)[:, :2] if points else np.zeros((0, 2))
            if vertices.shape[1] < 2 or not np.isfinite(vertices).all():
                raise ValueError
        except (ValueError, TypeError, IndexError):
            raise ExportReadError(f'{path}: a polygon has a point that is not [x, y]') from None
        number = len(names) - sum(map(len, parts))
        parts.append(fill(vertices, offsets(lengths), np.array(owner, np.int64), number, (height, width)))
        rings.clear()
        owner.clear()

    for index, feature in enumerate(_features(path)):
        try:
            # QuPath's cells have a nucleus besides; the cell is the geometry.
            kind, found = feature['geometry']['type'], feature['geometry']['coordinates']
            named = (feature.get('properties') or {}).get('classification') or {}
            names.append(named.get('name'))
            if not isinstance(found, list):
                raise TypeError
        except (KeyError, TypeError, AttributeError):
            raise ExportReadError(
                f'{path}: feature {index} is {str(feature)[:60]}, expected a feature with a geometry'
            ) from None
        if kind not in ('Polygon', 'MultiPolygon'):
            raise ExportReadError(
                f'{path}: feature {index} is a {kind}, expected a Polygon or MultiPolygon: export cells alone'
            )
        for polygon in [found] if kind == 'Polygon' else found:
            if not isinstance(polygon, list):
                raise ExportReadError(f'{path}: feature {index} has {str(polygon)[:40]} in place of rings')
            rings += polygon
            owner += [index % _BATCH] * len(polygon)
        if index % _BATCH == _BATCH - 1:
            finish()
    finish()
    return names, InstanceMasks.cat(parts)


def _features(path: str | os.PathLike) -> Iterator[Any]:
    """The features of a file, of which a chunk is in memory."""
    decode = json.JSONDecoder().raw_decode
    try:
        opener = gzip.open if str(path).endswith('.gz') else open
        with cast(TextIO, opener(path, 'rt', encoding='utf-8')) as file:
            text = file.read(_CHUNK)
            head = _HEAD.match(text)
            if head is None:
                raise ExportReadError(f'{path}: expected a GeoJSON FeatureCollection, found {text[:40]!r}')
            at = head.end()
            while True:
                at = cast(re.Match, _BETWEEN.match(text, at)).end()
                if text[at : at + 1] == ']':
                    return
                try:
                    value, at = decode(text, at)
                except json.JSONDecodeError as error:
                    more = file.read(_CHUNK) if len(text) - at < _LONGEST else ''
                    if not more:
                        raise ExportReadError(f'{path}: truncated or not JSON ({error}): export it again') from error
                    text, at = text[at:] + more, 0
                    continue
                yield value
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ExportReadError(f'{path}: truncated or damaged ({error}): export it again') from error
