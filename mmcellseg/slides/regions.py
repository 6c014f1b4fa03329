"""Images that are read region by region, whatever their size: one face for plain images, TIFFs and slides."""

import os
import re
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from ..data.decode import Refused, Stored, check_page, is_tiff, max_value
from ..data.tiff import ImageReadError, Scale, check_scale, explained, read_image, to_rgb

SUFFIXES = ('.tif', '.tiff', '.png', '.jpg', '.jpeg', '.svs', '.ndpi')
_VENDOR = ('.svs', '.ndpi')
_LARGE = 4096 * 4096  # px from which a TIFF without levels is read by regions
_SEGMENT = 2048 * 2048  # px of a tile or strip, at most: a region costs all that it touches
_MPP = (0.05, 5.0)  # µm/px of microscopes; what lies outside is a screen's or a printer's resolution


class RegionImage(ABC):
    """An image from which regions are read.

    Attributes:
        path: Its name in messages.
        height, width: In px.
        mpp: µm/px, None where the file does not say.
        slide: Whether it is read by regions, because it is too large or too deep to be read whole.
        levels: How many px of the image one px of the level is, and what to read it from; the image itself first.
    """

    path: str
    height: int
    width: int
    mpp: float | None = None
    slide = True
    levels: list[tuple[float, Any]]

    @abstractmethod
    def _read(self, level: Any, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        """uint8 (y1 - y0, x1 - x0, 3) of a level, in its own px, inside of it."""

    def read(self, box: tuple[int, int, int, int], size: tuple[int, int] | None = None) -> np.ndarray:
        """RGB uint8 (h, w, 3) of a region, resized to ``size`` (h, w) from the smallest level that has its detail.

        Raises:
            ImageReadError: The region cannot be decoded.
        """
        x0, y0, x1, y1 = (int(v) for v in box)
        size = size or (y1 - y0, x1 - x0)
        shrink = min((y1 - y0) / size[0], (x1 - x0) / size[1])
        factor, level = [(f, level) for f, level in self.levels if f <= max(1.0, 1.01 * shrink)][-1]
        with explained(self.path):
            if factor != 1:
                x0, y0, x1, y1 = int(x0 / factor), int(y0 / factor), -int(-x1 // factor), -int(-y1 // factor)
            region = self._read(level, x0, y0, x1, y1)
        if region.shape[:2] == size:
            return region
        smaller = size[0] <= region.shape[0] and size[1] <= region.shape[1]
        return cv2.resize(region, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)

    def thumbnail(self, height: int, width: int) -> np.ndarray:
        """The whole image resized to (height, width), in memory for a sixteenth of it at the most."""
        rows = np.linspace(0, height, min(height, 16) + 1).astype(int)
        edges = np.rint(rows * self.height / height).astype(int)
        bands = zip(edges[:-1], edges[1:], np.diff(rows))
        return np.concatenate([self.read((0, y0, self.width, y1), (int(h), width)) for y0, y1, h in bands])

    def close(self) -> None:  # noqa: B027
        """Let go of the file."""

    def __enter__(self) -> 'RegionImage':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ArrayImage(RegionImage):
    """An image in memory, RGB uint8 (H, W, 3)."""

    slide = False

    def __init__(self, array: np.ndarray, path: str = 'the image', mpp: float | None = None) -> None:
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
            raise ValueError(f'{path}: expected RGB uint8 (H, W, 3), found {array.dtype} {array.shape}')
        self.path, self.mpp = path, mpp
        self.height, self.width = array.shape[:2]
        self.levels = [(1.0, array)]

    def _read(self, level: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        return level[y0:y1, x0:x1]


class TiffImage(RegionImage):
    """A tiled, pyramidal or OME-TIFF, or a slide that tifffile knows; what it reads lies in memory for a region."""

    def __init__(self, path: str | os.PathLike, scale: Scale = 'dtype') -> None:
        import zarr  # half a second to load, and plain images do without

        check_scale(scale)
        self.path, self._scale = str(path), scale
        if scale == 'percentile':
            raise ImageReadError(
                f"{path} is read by regions, and scale='percentile' in LoadTiffImage needs all of its pixels: "
                'set scale=(low, high)'
            )
        with explained(path):
            self._file = tifffile.TiffFile(path)
            series = self._file.series[0]
            self._axes = series.get_axes(squeeze=True)
            if len(self._axes.replace('S', '').replace('C', '')) < 2 or not {'Y', 'X'} <= set(self._axes):
                raise Refused(f'has the axes {self._axes} of shape {series.shape}: expected an image')
            self.height, self.width = (series.shape[self._axes.index(axis)] for axis in 'YX')
            page = series.keyframe
            self._photometric, self._max = check_page(page, sparse=True), max_value(page)
            self.mpp = tiff_mpp(self._file)
            white = series.dtype.kind in 'iu' and self._photometric != 'MINISWHITE'
            self.levels = []
            for number, level in enumerate(series.levels):
                for frame in level.pages:
                    if frame is not None:
                        check_page(frame.aspage() if isinstance(frame, tifffile.TiffFrame) else frame, sparse=True)
                store = series.aszarr(level=number, fillvalue=self._max if white else 0)  # of tiles without data
                height = level.shape[self._axes.index('Y')]
                self.levels.append((self.height / height, zarr.open_array(store, mode='r')))

    def _read(self, level: Any, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        where: dict[str, Any] = {'Y': slice(y0, y1), 'X': slice(x0, x1), 'S': slice(None)}
        where['C'] = 0 if 'S' in self._axes else slice(None)
        samples = np.asarray(level[tuple(where.get(axis, 0) for axis in self._axes)])
        axes = [axis for axis in self._axes if isinstance(where.get(axis), slice)]
        samples = samples.transpose([axes.index(axis) for axis in ('Y', 'X', *(a for a in axes if a in 'SC'))])
        return to_rgb(Stored(samples, self._max, self._photometric == 'MINISWHITE'), self._scale)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class VendorImage(RegionImage):
    """A slide of a vendor's format, read by the optional package tiffslide."""

    def __init__(self, path: str | os.PathLike) -> None:
        import tiffslide

        self.path = str(path)
        with explained(path):
            self._slide = tiffslide.TiffSlide(path)
            self.width, self.height = self._slide.dimensions
            self.mpp = _plausible(self._slide.properties.get(tiffslide.PROPERTY_NAME_MPP_X))
            self.levels = [(factor, number) for number, factor in enumerate(self._slide.level_downsamples)]

    def _read(self, level: int, x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
        factor = self._slide.level_downsamples[level]  # it takes the corner in px of the first level
        corner = (int(np.ceil(x0 * factor)), int(np.ceil(y0 * factor)))
        region = self._slide.read_region(corner, level, (x1 - x0, y1 - y0), as_array=True)
        return np.ascontiguousarray(region[..., :3])

    def close(self) -> None:
        """Let go of the file."""
        self._slide.close()


def open_image(path: str | os.PathLike, scale: Scale = 'dtype', page: int = 0) -> RegionImage:
    """Open an image or slide: by regions if it is large or has levels, else read whole by the project's one reader.

    Args:
        path: Anything of ``SUFFIXES``.
        scale, page: As for :func:`~mmcellseg.data.tiff.read_image`.

    Raises:
        ImageReadError: It cannot be read; the message names the file.
        FileNotFoundError: There is no such file.
    """
    vendor = Path(path).suffix.lower() in _VENDOR
    if vendor and find_spec('tiffslide'):
        return VendorImage(path)
    mpp = None
    with explained(path):
        if is_tiff(path):
            with tifffile.TiffFile(path) as file:
                by_regions = vendor or (page == 0 and _needs_regions(file))
                mpp = tiff_mpp(file)
            if by_regions:
                return TiffImage(path, scale)
    return ArrayImage(read_image(path, page, scale), str(path), mpp)


def _needs_regions(file: tifffile.TiffFile) -> bool:
    series, first = file.series[0], file.pages.first
    segment = first.tilewidth * first.tilelength if first.is_tiled else first.rowsperstrip * first.imagewidth
    palette = first.photometric == 3
    large = first.imagelength * first.imagewidth > _LARGE and segment <= _SEGMENT and not palette
    return len(series.levels) > 1 or (file.is_ome and len(series.pages) > 1) or large


def tiff_mpp(file: tifffile.TiffFile) -> float | None:
    """µm/px from the OME, Aperio or ImageJ description of a TIFF, else from its resolution tags."""
    page = file.pages.first
    if file.is_ome:
        found = re.search(r'PhysicalSizeX="([^"]+)"', file.ome_metadata or '')
        unit = re.search(r'PhysicalSizeXUnit="([^"]+)"', file.ome_metadata or '')
        factor = {'nm': 1e-3, 'mm': 1e3, 'cm': 1e4, 'm': 1e6}.get(unit[1] if unit else '', 1.0)
        return _plausible(found[1], factor) if found else None
    if aperio := re.search(r'\bMPP\s*=\s*([\d.]+)', page.description or ''):
        return _plausible(aperio[1])
    if file.is_imagej:
        unit = (file.imagej_metadata or {}).get('unit', '')
        return _plausible(1 / page.resolution[0]) if unit in ('micron', 'um', 'µm', '\\u00B5m') else None
    pixels = page.get_resolution('micrometer')[0]
    return _plausible(1 / pixels) if pixels and 282 in page.tags else None


def _plausible(value: Any, factor: float = 1.0) -> float | None:
    try:
        mpp = float(value) * factor
    except (TypeError, ValueError):
        return None
    return mpp if _MPP[0] <= mpp <= _MPP[1] else None
