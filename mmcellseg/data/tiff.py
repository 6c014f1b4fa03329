"""The one reader of images and label maps: TIFF through tifffile, PNG and JPEG with the same result."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image

Scale = str | tuple[float, float]

PERCENTILES = (1.0, 99.8)  # low and high value of scale='percentile', over all channels together
LAYOUTS = 'grey, grey + alpha, RGB or RGBA samples (1 to 4), interleaved or planar'
SCALE_RULES = "'dtype', 'percentile' or (low, high)"
_TIFF_MAGIC = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
_PHOTOMETRIC = {'MINISBLACK', 'MINISWHITE', 'RGB', 'PALETTE', 'YCBCR'}
_JPEG = {6, 7, 33007, 34892}  # compressions whose decoder turns YCbCr into RGB


class ImageReadError(ValueError):
    """A file that cannot be read as asked: the message names it, what was found, and what is accepted."""


class Stored(NamedTuple):
    """Samples as they lie in the file: (H, W) or (H, W, C), with what is needed to read them as an image."""

    samples: np.ndarray
    max_value: float  # of an integer sample, by its bits
    inverted: bool  # 0 is white


def read_image(path: str | os.PathLike, page: int = 0, scale: Scale = 'dtype') -> np.ndarray:
    """Read a TIFF, PNG or JPEG as uint8 (H, W, 3) RGB. An alpha channel is left out, grey is repeated.

    Args:
        path: The image.
        page: Which page of a TIFF.
        scale: How values become 0–255. ``'dtype'``: the integer type's range from 0 up, and [0, 1] for floats;
            ``'percentile'``: from the 1st to the 99.8th percentile of all values; ``(low, high)``: from low to
            high. What lies outside is clipped.

    Raises:
        ImageReadError: The file is no such image, is damaged, needs a codec that is not installed, or its values
            need another scale rule.
        FileNotFoundError: There is no such file.
    """
    check_scale(scale)
    return to_rgb(path, _read(path, page), scale)


def to_rgb(path: str | os.PathLike, stored: Stored, scale: Scale) -> np.ndarray:
    """Stored samples of an image, or of a part of it, as uint8 (H, W, 3) RGB; see :func:`read_image`."""
    samples = stored.samples
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if samples.ndim not in (2, 3) or not 1 <= channels <= 4 or samples.size == 0:
        raise ImageReadError(f'{_found(path, samples)}, which is no image: accepted are {LAYOUTS}')
    if samples.ndim == 3:
        if channels == 4 and samples.dtype == np.uint8:  # 20 times faster than slicing
            samples = cv2.cvtColor(np.ascontiguousarray(samples), cv2.COLOR_RGBA2RGB)
        samples = samples[..., :3] if channels >= 3 else samples[..., 0]
    image = _to_uint8(path, samples, scale, stored.max_value)
    if stored.inverted:
        image = 255 - image
    return np.ascontiguousarray(image) if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def read_values(path: str | os.PathLike, page: int = 0) -> np.ndarray:
    """Read the values as they are stored: (H, W) or (H, W, C), in the file's own type. Raises as read_image.

    A TIFF with a palette holds indices; the colours that they are shown in are left out.
    """
    return _read(path, page, colours=False).samples


def page_count(path: str | os.PathLike) -> int:
    """The number of pages of a TIFF, 1 for other images. Raises as read_image."""
    with explained(path):
        if not is_tiff(path):
            return 1
        with tifffile.TiffFile(path) as file:
            return len(file.pages)


def read_label_map(path: str | os.PathLike, page: int = 0) -> np.ndarray:
    """Read a label map as integers (H, W): 0 is background, any other value the id of an instance.

    Float maps become int64. Raises ImageReadError if the map is not two-dimensional or holds values that are
    negative or not whole.
    """
    values = read_values(path, page)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in 'biuf':
        raise ImageReadError(f'{_found(path, values)}, but a label map is one number a pixel, (H, W)')
    labels = values
    if values.dtype.kind == 'f':
        with np.errstate(invalid='ignore'):
            labels = values.astype(np.int64)
        wrong = values[labels != values]
        if wrong.size:
            raise ImageReadError(
                f'{_found(path, values)} with values that are not whole, such as {wrong[0]:.6g}: '
                'a label map holds 0 and whole ids'
            )
    if labels.size and labels.min() < 0:
        raise ImageReadError(
            f'{_found(path, values)} with negative values down to {labels.min()}: a label map holds 0 and ids > 0'
        )
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def image_size(path: str | os.PathLike, page: int = 0) -> tuple[int, int]:
    """Height and width in px, from the file's header alone. Raises as read_image."""
    with explained(path):
        if is_tiff(path):
            with tifffile.TiffFile(path) as file:
                first = _page(path, file, page)
                return int(first.imagelength), int(first.imagewidth)
        with Image.open(path) as image:
            return image.height, image.width


def check_scale(scale: Scale) -> None:
    """Raise ValueError unless ``scale`` is one of the rules that read_image knows."""
    if isinstance(scale, str):
        good = scale in ('dtype', 'percentile')
    else:
        good = len(scale) == 2 and bool(np.isfinite(scale).all()) and scale[0] < scale[1]
    if not good:
        raise ValueError(f'scale must be {SCALE_RULES} with low < high, but is {scale!r}')


def _to_uint8(path: str | os.PathLike, samples: np.ndarray, scale: Scale, max_value: float) -> np.ndarray:
    kind = samples.dtype.kind
    if kind not in 'biuf':
        raise ImageReadError(f'{_found(path, samples)}: accepted are integers and real floats')
    if kind == 'f' and not np.isfinite(samples).all():
        raise ImageReadError(f'{_found(path, samples)} with NaN or infinite values: accepted are finite values')
    if scale == 'dtype':
        if samples.dtype == np.uint8 and max_value == 255:
            return samples
        low, high = 0.0, 1.0 if kind == 'f' else max_value
        least, most = samples.min(), samples.max()
        if least < low or most > high:
            raise ImageReadError(
                f'{_found(path, samples)} with values from {least:.6g} to {most:.6g}: without a rule, integers '
                "≥ 0 and floats in [0, 1] are accepted; set scale='percentile' or scale=(low, high) in LoadTiffImage"
            )
    else:
        low, high = np.percentile(samples, PERCENTILES) if isinstance(scale, str) else scale
    # float64 only for types that float32 cannot hold exactly
    values: np.ndarray = samples.astype(np.float32 if samples.dtype.itemsize <= 2 else np.float64)
    span = max(float(high) - float(low), 1e-30)  # a constant image becomes 0
    return np.rint(((values - low) / span).clip(0, 1) * 255).astype(np.uint8)


def _read(path: str | os.PathLike, page: int, colours: bool = True) -> Stored:
    with explained(path):
        if is_tiff(path):
            return _read_tiff(path, page, colours)
        if page != 0:
            raise ImageReadError(f'{path} has one page, but page {page} was asked for')
        return _read_picture(path)


def _read_tiff(path: str | os.PathLike, page: int, colours: bool) -> Stored:
    with tifffile.TiffFile(path) as file:
        chosen = _page(path, file, page)
        photometric = check_page(path, chosen)
        samples = chosen.asarray(maxworkers=1)  # data loading has its own processes
        if chosen.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        palette = photometric == 'PALETTE' and colours
        if palette and chosen.colormap is not None:
            samples = np.moveaxis(chosen.colormap[:, samples], 0, -1)
        return Stored(samples, 65535.0 if palette else max_value(chosen), photometric == 'MINISWHITE')


def check_page(path: str | os.PathLike, page: tifffile.TiffPage) -> str:
    """The colour model of a TIFF's page; raises ImageReadError if it cannot be read right, or is truncated."""
    photometric = getattr(page.photometric, 'name', str(page.photometric))
    known = photometric in _PHOTOMETRIC and (photometric != 'YCBCR' or int(page.compression) in _JPEG)
    if not known or page.imagedepth > 1:
        raise ImageReadError(
            f'{path} holds shape {page.shape}, {page.dtype}, in the colour model {photometric}: '
            f'accepted are {LAYOUTS}, in the colour models {", ".join(sorted(_PHOTOMETRIC))} (JPEG only)'
        )
    # tifffile fills what lies behind the end of the file with zeros, so look first.
    size = os.path.getsize(path)
    end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts)), default=0)
    if end > size:
        raise ImageReadError(f'{path} is truncated: its pixels should reach to byte {end}, but it ends at {size}')
    return photometric


def max_value(page: tifffile.TiffPage) -> float:
    """What a sample of a TIFF's page can be at most, by its bits."""
    if page.dtype == bool:
        return 1.0
    bits = int(np.max(page.bitspersample))
    return 2.0 ** (bits - (page.dtype is not None and page.dtype.kind == 'i')) - 1


def _read_picture(path: str | os.PathLike) -> Stored:
    """PNG and JPEG. Pillow notices damage; OpenCV keeps the 16 bits of colour PNGs, which Pillow cuts to 8."""
    with Image.open(path) as image:
        if image.format not in ('PNG', 'JPEG'):
            raise ImageReadError(
                f'{path} is a {image.format} file of {image.size[::-1]} px: accepted are TIFF, PNG and JPEG'
            )
        image.load()
        if image.mode not in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'I'):
            raise ImageReadError(
                f'{path} of {image.size[::-1]} px has the colour model {image.mode}: accepted are {LAYOUTS}'
            )
        with open(path, 'rb') as file:
            header = file.read(25)
        if image.format == 'PNG' and header[24] == 16:  # bit depth in the IHDR chunk
            samples = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED))
            if samples.ndim == 3:  # BGR(A)
                samples = np.dstack([samples[..., 2::-1], samples[..., 3:]])
        elif image.mode == 'P':
            samples = np.asarray(image.convert('RGB'))
        elif image.mode == '1':
            samples = np.asarray(image.convert('L'))
        else:
            samples = np.asarray(image)
    return Stored(samples, 2.0 ** (8 * samples.dtype.itemsize) - 1, False)


def _page(path: str | os.PathLike, file: tifffile.TiffFile, page: int) -> tifffile.TiffPage:
    count = len(file.pages)
    if count == 0:
        raise ImageReadError(f'{path} is damaged or truncated: it is a TIFF without any page')
    if not 0 <= page < count:
        raise ImageReadError(f'{path} has {count} page(s), counted from 0, but page {page} was asked for')
    chosen = file.pages[page]
    return chosen if isinstance(chosen, tifffile.TiffPage) else chosen.aspage()


def is_tiff(path: str | os.PathLike) -> bool:
    with open(path, 'rb') as file:
        magic = file.read(4)
    if not magic:
        raise ImageReadError(f'{path} is truncated: the file is empty')
    return magic in _TIFF_MAGIC


def _found(path: str | os.PathLike, array: np.ndarray) -> str:
    return f'{path} holds shape {array.shape}, {array.dtype}'


@contextmanager
def explained(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever the libraries raise on a bad file into an error that names the file."""
    try:
        yield
    except (ImageReadError, FileNotFoundError, IsADirectoryError, PermissionError, MemoryError):
        raise
    except Exception as error:
        if 'imagecodecs' in str(error) or isinstance(error, ImportError):
            raise ImageReadError(
                f'{path} is compressed in a way that needs a codec that is not installed; '
                f'install the package imagecodecs (pip install imagecodecs). The reader said: {error}'
            ) from error
        raise ImageReadError(
            f'{path} cannot be decoded: it is damaged, truncated or of an unknown kind; accepted are TIFF, PNG and '
            f'JPEG. The reader said: {error}'
        ) from error
