"""Cells of a label TIFF and of the table beside it."""

import csv
import os
from pathlib import Path

import numpy as np

from ..data.tiff import read_label_map
from ..structures.masks import InstanceMasks
from .read_geojson import ExportReadError


def read_label_tiff(path: str | os.PathLike, height: int, width: int) -> tuple[list[str | None], InstanceMasks]:
    """The class of each cell, by the table beside the file (None where there is no table), and its mask.

    Args:
        path: A label map; its table has the same name with ``.csv`` at the end and the columns id and class.
        height, width: Of the image in px.

    Raises:
        ExportReadError: The map is of another size, or the table lacks a column or one of the map's cells.
        ImageReadError: The file is no label map.
    """
    labels = read_label_map(path)
    if labels.shape != (height, width):
        raise ExportReadError(
            f'{path}: expected labels of {height} x {width} px as the image has, found {labels.shape[0]} x '
            f'{labels.shape[1]}'
        )
    ids, masks = InstanceMasks.from_label_map(labels)
    table = Path(path).with_suffix('.csv')
    if not table.is_file():
        return [None] * len(ids), masks
    with table.open(newline='', encoding='utf-8-sig') as file:
        try:
            names = {int(row['id']): row['class'] for row in csv.DictReader(file)}
        except (KeyError, ValueError, TypeError) as error:
            raise ExportReadError(f'{table}: expected rows with a whole number id and a class ({error})') from error
    absent = np.setdiff1d(ids, list(names))
    if len(absent):
        raise ExportReadError(
            f'{table}: has no row for cell {absent[0]} of {path} ({len(absent)} such cells): add its id and class'
        )
    return [names[label] for label in ids.tolist()], masks
