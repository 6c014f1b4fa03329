"""The one reader of images and label maps: TIFF through tifffile, PNG and JPEG with the same result."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import tifffile
from PIL import Image

from .decode import LAYOUTS, Refused, Stored, decode, is_tiff, page_of

Scale = str | tuple[float, float]

LARGEST_ID = 2**63
PERCENTILES = (1.0, 99.8)  # low and high value of scale='percentile', over all channels together


class ImageReadError(ValueError):
    """A file that cannot be read as asked: the message names it, what was found, and what is accepted."""


def read_image(path: str | os.PathLike, page: int = 0, scale: Scale = 'dtype') -> np.ndarray:
    """Read a TIFF, PNG or JPEG as uint8 (H, W, 3) RGB. An alpha channel is left out, grey is repeated.

    Args:
        page: Which page of a TIFF.
        scale: How values become 0–255. ``'dtype'``: the integer type's range from 0 up, and [0, 1] for floats;
            ``'percentile'``: from the 1st to the 99.8th percentile of all values; ``(low, high)``: from low to
            high. What lies outside is clipped.

    Raises:
        ImageReadError: The file is no such image, is damaged as far as that can be seen (below), needs a codec that is
            not installed, does not fit into memory, or its values need another scale rule.
        OSError: The file is not there or may not be read.

    Damage is always seen in a PNG and in deflate, which hold checksums, and where strips, tiles or bytes are missing.
    Other pixels (uncompressed, LZW, PackBits, JPEG) and a TIFF's header have none: there, a flipped bit may be read
    as another image of the size that the header declares.
    """
    check_scale(scale)
    with explained(path):
        return to_rgb(decode(path, page), scale)


def to_rgb(stored: Stored, scale: Scale) -> np.ndarray:
    """Stored samples of an image, or of a part of one, as ``read_image`` gives them. Raises Refused."""
    samples = stored.samples
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if samples.ndim not in (2, 3) or not 1 <= channels <= 4 or samples.size == 0:
        raise Refused(f'{_found(samples)}, which is no image: accepted are {LAYOUTS}')
    if channels == 4 and samples.dtype == np.uint8:  # 20 times faster than slicing
        samples = cv2.cvtColor(np.ascontiguousarray(samples), cv2.COLOR_RGBA2RGB)
    elif samples.ndim == 3:
        samples = samples[..., :3] if channels >= 3 else samples[..., 0]
    image = _to_uint8(samples, scale, stored.max_value)
    if stored.inverted:
        image = 255 - image
    return np.ascontiguousarray(image) if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def read_values(path: str | os.PathLike, page: int = 0) -> np.ndarray:
    """Read the values as they are stored: (H, W) or (H, W, C), in the file's own type. Raises as read_image.

    A TIFF with a palette holds indices; the colours that they are shown in are left out.
    """
    with explained(path):
        return decode(path, page, colours=False).samples


def read_numbers(path: str | os.PathLike, page: int = 0) -> np.ndarray:
    """``read_values`` of a map of one real number a pixel, (H, W); any other is refused (ImageReadError)."""
    with explained(path):
        values = decode(path, page, colours=False).samples
        if values.ndim == 3 and values.shape[2] == 1:
            values = values[..., 0]
        if values.ndim != 2 or values.dtype.kind not in 'biuf':
            raise Refused(f'{_found(values)}, but a label map is one number a pixel, (H, W)')
        return values


def whole_ids(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of any real type as int64, and which of them are no ids: negative, not whole, or 2⁶³ and above."""
    with np.errstate(invalid='ignore'):
        ids = values.astype(np.int64)
    return ids, (ids != values) | (ids < 0)


def read_label_map(path: str | os.PathLike, page: int = 0) -> np.ndarray:
    """Read a label map as integers (H, W), int64 unless the file's are: 0 is background, any other value an id.

    Raises ImageReadError if the map is not two-dimensional or holds values that are no ids.
    """
    values = read_numbers(path, page)
    if values.dtype.kind in 'iu' and values.size and values.min() >= 0 and values.max() < LARGEST_ID:
        return values  # of a slide it may be gigabytes, which nobody copies
    ids, wrong = whole_ids(values)
    with explained(path):
        if wrong.any():
            raise Refused(
                f'{_found(values)} with values that are no ids, such as {values[wrong][0]}: a label map holds 0 and '
                'whole ids below 2⁶³'
            )
    return ids


def page_count(path: str | os.PathLike) -> int:
    """The number of pages of a TIFF, 1 for other images. Raises as read_image."""
    with explained(path):
        if not is_tiff(path):
            return 1
        with tifffile.TiffFile(path) as file:
            return len(file.pages)


def image_size(path: str | os.PathLike, page: int = 0) -> tuple[int, int]:
    """Height and width in px, from the file's header alone. Raises as read_image."""
    with explained(path):
        if is_tiff(path):
            with tifffile.TiffFile(path) as file:
                first = page_of(file, page)
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
        raise ValueError(f"scale must be 'dtype', 'percentile' or (low, high) with low < high, but is {scale!r}")


def _to_uint8(samples: np.ndarray, scale: Scale, max_value: float) -> np.ndarray:
    kind = samples.dtype.kind
    if kind not in 'biuf':
        raise Refused(f'{_found(samples)}: accepted are integers and real floats')
    if kind == 'f' and not np.isfinite(samples).all():
        raise Refused(f'{_found(samples)} with NaN or infinite values: accepted are finite values')
    if kind == 'b':
        samples = samples.view(np.uint8)
    if scale == 'dtype':
        if samples.dtype == np.uint8 and max_value == 255:
            return samples
        low, high = 0.0, 1.0 if kind == 'f' else max_value
        least, most = samples.min(), samples.max()
        if least < low or most > high:
            raise Refused(
                f'{_found(samples)} with values from {least:.6g} to {most:.6g}: without a rule, integers '
                "≥ 0 and floats in [0, 1] are accepted; set scale='percentile' or scale=(low, high) in LoadTiffImage"
            )
    else:
        low, high = np.percentile(samples, PERCENTILES) if isinstance(scale, str) else scale
    # float64 only for types that float32 cannot hold exactly
    values: np.ndarray = samples.astype(np.float32 if samples.dtype.itemsize <= 2 else np.float64)
    span = max(float(high) - float(low), 1e-30)  # a constant image becomes 0
    return np.rint(((values - low) / span).clip(0, 1) * 255).astype(np.uint8)


def _found(array: np.ndarray) -> str:
    return f'holds shape {array.shape}, {array.dtype}'


def printable(path: str | os.PathLike) -> str:
    """A path as text that any terminal takes: bytes that are no UTF-8, and control characters, are escaped."""

    def escaped(character: str) -> str:
        foreign = '\udc80' <= character <= '\udcff'  # a byte that was no UTF-8
        return f'\\x{ord(character) - 0xDC00:02x}' if foreign else repr(character)[1:-1]

    return ''.join(c if c.isprintable() else escaped(c) for c in os.fsdecode(path))


@contextmanager
def explained(path: str | os.PathLike) -> Iterator[None]:
    """Turn whatever the libraries raise on a bad file into an error that names the file."""
    try:
        yield
    except Refused as error:
        raise ImageReadError(printable(f'{os.fsdecode(path)} {error}')) from None
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:  # of the file system, and with the name
            raise
        if isinstance(error, MemoryError):
            text = 'does not fit into memory'
        elif 'imagecodecs' in str(error) or isinstance(error, ImportError):
            text = (
                'is compressed in a way that needs a codec that is not installed; '
                'install the package imagecodecs (pip install imagecodecs)'
            )
        else:
            text = 'cannot be decoded: it is damaged, truncated or of an unknown kind; accepted are TIFF, PNG and JPEG'
        raise ImageReadError(printable(f'{os.fsdecode(path)} {text}. The reader said: {error}')) from error
