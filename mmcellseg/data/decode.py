"""A file's samples as they are stored: TIFF through tifffile, PNG and JPEG through Pillow and OpenCV."""

import logging
import os
import stat
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image

from .damage import JPEG_IN_TIFF, jpeg_fault, png_fault, tiff_fault

LAYOUTS = 'grey, grey + alpha, RGB or RGBA samples (1 to 4), interleaved or planar'
PHOTOMETRIC = {'MINISBLACK', 'MINISWHITE', 'RGB', 'PALETTE', 'YCBCR'}
# Of what tifffile complains about, damage is refused here with the file's name; the rest does no harm.
logging.getLogger('tifffile').setLevel(logging.CRITICAL)


class Refused(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its name."""


class Stored(NamedTuple):
    """Samples as they lie in the file: (H, W) or (H, W, C), with what is needed to read them as an image."""

    samples: np.ndarray
    max_value: float  # of an integer sample, by its bits
    inverted: bool  # 0 is white


def decode(path: str | os.PathLike, page: int, colours: bool = True) -> Stored:
    """The samples of a TIFF, PNG or JPEG; ``colours``: a TIFF's palette is looked up, rather than its indices read.

    Raises Refused, or whatever the libraries raise on it.
    """
    if not is_tiff(path):
        if page != 0:
            raise Refused(f'has one page, but page {page} was asked for')
        return _read_picture(path)
    with tifffile.TiffFile(path) as file:
        chosen = page_of(file, page)
        photometric = check_page(chosen)
        samples = chosen.asarray(maxworkers=1)  # data loading has its own processes
        if chosen.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        palette = photometric == 'PALETTE' and colours
        if palette and chosen.colormap is not None:
            samples = np.moveaxis(chosen.colormap[:, samples], 0, -1)
        return Stored(samples, 65535.0 if palette else max_value(chosen), photometric == 'MINISWHITE')


def check_page(page: tifffile.TiffPage, sparse: bool = False) -> str:
    """The colour model of a page. Raises Refused if it cannot be read right, or if data are missing.

    ``sparse``: strips or tiles without data are a slide's background.
    """
    photometric = getattr(page.photometric, 'name', str(page.photometric))
    known = photometric in PHOTOMETRIC and (photometric != 'YCBCR' or int(page.compression) in JPEG_IN_TIFF)
    if not known or page.imagedepth > 1:
        raise Refused(
            f'holds shape {page.shape}, {page.dtype}, in the colour model {photometric}: '
            f'accepted are {LAYOUTS}, in the colour models {", ".join(sorted(PHOTOMETRIC))} (JPEG only)'
        )
    if fault := tiff_fault(page, sparse):
        raise Refused(fault)
    return photometric


def max_value(page: tifffile.TiffPage) -> float:
    """What a sample of a page can be at most, by its bits."""
    if page.dtype is None or page.dtype == bool:
        return 1.0
    return 2.0 ** (int(np.max(page.bitspersample)) - (page.dtype.kind == 'i')) - 1


def _read_picture(path: str | os.PathLike) -> Stored:
    """PNG and JPEG through Pillow; OpenCV keeps the 16 bits of colour PNGs, which Pillow cuts to 8."""
    with Image.open(path) as image:
        if image.format not in ('PNG', 'JPEG'):
            raise Refused(f'is a {image.format} file of {image.size[::-1]} px: accepted are TIFF, PNG and JPEG')
        data = Path(path).read_bytes()
        if fault := png_fault(data) if image.format == 'PNG' else jpeg_fault(data, image.height, image.width):
            raise Refused(fault)
        image.load()
        if image.mode not in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'I'):
            raise Refused(f'of {image.size[::-1]} px has the colour model {image.mode}: accepted are {LAYOUTS}')
        if image.format == 'PNG' and data[24] == 16:  # bit depth in the IHDR chunk
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if decoded is None:
                raise Refused('is damaged: OpenCV cannot decode its 16 bits a sample')
            samples = np.asarray(decoded)
            if samples.ndim == 3:  # BGR(A)
                samples = np.dstack([samples[..., 2::-1], samples[..., 3:]])
        else:
            flat = {'P': 'RGB', '1': 'L'}.get(image.mode)
            samples = np.asarray(image.convert(flat) if flat else image)
    return Stored(samples, 2.0 ** (8 * samples.dtype.itemsize) - 1, False)


def page_of(file: tifffile.TiffFile, page: int) -> tifffile.TiffPage:
    """A page of an open TIFF, with all of its tags. Raises Refused if there is no such page."""
    count = len(file.pages)
    if count == 0:
        raise Refused('is damaged or truncated: it is a TIFF without any page')
    if not 0 <= page < count:
        raise Refused(f'has {count} page(s), counted from 0, but page {page} was asked for')
    chosen = file.pages[page]
    return chosen if isinstance(chosen, tifffile.TiffPage) else chosen.aspage()


def is_tiff(path: str | os.PathLike) -> bool:
    """By its first bytes. Raises Refused for an empty file and for what is no regular file."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would wait for its writer
        raise Refused('is a pipe, socket or device: expected a regular file')
    with open(path, 'rb') as file:
        magic = file.read(4)
    if not magic:
        raise Refused('is truncated: the file is empty')
    return magic in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
