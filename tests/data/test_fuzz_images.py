"""Mutated images: what is read is right as far as the format can tell, and every error names the file.

A PNG, and deflate in a TIFF, hold checksums: their pixels are the unmutated ones, or an error. Uncompressed, LZW,
PackBits, zstd and JPEG pixels and all headers hold none: there, the promise is an array of the size that the header
declares, or an error. More files by hand: MMCELLSEG_FUZZ_IMAGES=10000 pytest tests/data/test_fuzz_images.py -s
"""

import io
import os
import time
from collections import Counter
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmcellseg.data.tiff import ImageReadError, image_size, read_image, read_label_map

FILES = int(os.environ.get('MMCELLSEG_FUZZ_IMAGES', 800))
SLOWEST = 10  # seconds for one file of some KB, on a busy machine


class Original(NamedTuple):
    """A sound file: ``exact`` if every change of its pixels can be seen, ``pixels`` the bytes that hold them."""

    name: str
    data: bytes
    exact: bool
    pixels: np.ndarray


def tiff_of(name, array, exact=False, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, **options)
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        segments = list(zip(file.pages[0].dataoffsets, file.pages[0].databytecounts))
    pixels = np.concatenate([np.arange(offset, offset + count) for offset, count in segments])
    return Original(f'{name}.tif', buffer.getvalue(), exact, pixels)


def picture_of(name, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    exact = options['format'] == 'PNG'
    return Original(name, buffer.getvalue(), exact, np.arange(len(buffer.getvalue()) if exact else 0))


@pytest.fixture(scope='module')
def originals():
    """TIFFs in strips and tiles by seven compressions, label maps among them, PNGs of all kinds, JPEGs."""
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (45, 61, 4)).astype(np.float32), (0, 0), 2)
    rgba = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    labels = cv2.resize(rng.integers(0, 5, (9, 12)).astype(np.float64), (61, 45), interpolation=cv2.INTER_NEAREST)
    found = []
    for blocks in ({'rowsperstrip': 10}, {'tile': (16, 32)}):
        for codec in (None, 'lzw', 'deflate', 'packbits', 'zstd', 'lzma', 'jpeg'):
            options, exact = {**blocks, 'compression': codec}, codec == 'deflate'
            found.append(tiff_of(f'rgb {codec}', rgba[..., :3], exact, photometric='rgb', **options))
            if codec != 'jpeg':
                found.append(tiff_of(f'labels {codec}', labels, exact, **options))
    predicted = {'compression': 'lzw', 'predictor': True, 'photometric': 'rgb', 'extrasamples': ['unassalpha']}
    found.append(tiff_of('rgba predicted', rgba, **predicted))
    found.append(tiff_of('grey planes', np.moveaxis(rgba[..., :3], -1, 0).copy(), photometric='rgb', planarconfig=2))
    found.append(tiff_of('labels big-endian', labels.astype('>u2'), byteorder='>', compression='lzw'))
    found.append(tiff_of('bits', labels > 2, compression='packbits'))
    for mode in ('RGBA', 'RGB', 'LA', 'L', 'P', '1'):
        image = Image.fromarray(rgba if 'A' in mode else rgba[..., :3])
        found.append(picture_of(f'{mode}.png', image.convert(mode), format='PNG'))
    for array in (rgba.astype(np.uint16) * 257, labels.astype(np.uint16)):
        data = cv2.imencode('.png', array)[1].tobytes()
        found.append(Original(f'{array.ndim}d 16 bits.png', data, True, np.arange(len(data))))
    for options in ({'quality': 90}, {'progressive': True}, {'subsampling': 0}):
        found.append(picture_of('rgb.jpg', Image.fromarray(rgba[..., :3]), format='JPEG', **options))
    return found


def mutate(original, rng):
    """The changed bytes, and whether only pixels were changed."""
    data = bytearray(original.data)
    kind = rng.integers(8)
    places = original.pixels if kind < 3 and len(original.pixels) else np.arange(len(data))
    at = int(rng.choice(places))
    if kind in (0, 3):
        data[at] ^= 1 << int(rng.integers(8))
    elif kind in (1, 4):
        for place in rng.choice(places, int(rng.integers(2, 9))):
            data[place] = int(rng.choice([0, 255, rng.integers(256)]))
    elif kind == 2:
        inside = places[(places >= at) & (places < at + rng.integers(4, 40))]
        for place in inside:
            data[place] = 0
    elif kind == 5:
        del data[at:]
    elif kind == 6:
        length = int(rng.integers(1, 30))
        data[at : at + length] = b'' if rng.random() < 0.5 else bytes(data[at : at + length]) * 2
    elif original.name.endswith('.tif'):  # one value of the header: 0, small or large
        tags = list(tifffile.TiffFile(io.BytesIO(original.data)).pages[0].tags)
        tag = tags[rng.integers(len(tags))]
        size = max(1, tag.valuebytecount // max(tag.count, 1))
        place = tag.valueoffset + size * int(rng.integers(tag.count))
        value = int(rng.choice([0, 1, 2, 255, 60_000, 2**31, rng.integers(2**16)]))
        order = 'big' if original.data[:2] == b'MM' else 'little'
        data[place : place + size] = (value % 2 ** (8 * size)).to_bytes(size, order)
    else:
        data[at : at + 4] = rng.bytes(4)
    if len(data) != len(original.data):
        return bytes(data), False
    changed = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(original.data, np.uint8))
    return bytes(data), bool(np.isin(changed, original.pixels).all())


def outcome(path, original, expected, only_pixels, reader):
    """What became of a mutated file; raises AssertionError if that is not allowed."""
    start, refused = time.perf_counter(), ''
    try:
        array = reader(path)
    except ImageReadError as error:
        refused = str(error)
    assert time.perf_counter() - start < SLOWEST
    if refused:
        assert refused.startswith(str(path))
        assert refused.isprintable()
        return 'refused'
    assert array.dtype == np.uint8 if reader is read_image else array.dtype.kind in 'iu'
    if np.array_equal(array, expected):
        return 'unchanged'
    assert not (original.exact and only_pixels)
    assert np.array_equal(array, reader(path))  # nothing of it is memory that was never written
    assert not original.name.endswith('.png')
    assert array.shape[:2] == (expected.shape[:2] if only_pixels else image_size(path))
    assert array.shape[2:] == ((3,) if reader is read_image else ())
    return 'other pixels' if only_pixels else 'other header'


def test_mutated_images(originals, tmp_path, capsys):
    outcomes: dict[str, Counter] = {}
    for number in range(FILES):
        rng = np.random.default_rng((7, number))
        original = originals[number % len(originals)]
        reader = read_label_map if original.name.startswith(('labels', 'bits')) else read_image
        path = tmp_path / f'{number}-{original.name}'
        path.write_bytes(original.data)
        expected = reader(path)
        data, only_pixels = mutate(original, rng)
        path.write_bytes(data)
        try:
            found = outcome(path, original, expected, only_pixels, reader)
        except BaseException as error:
            raise AssertionError(f'mutated image {number}, {original.name}: {type(error).__name__}: {error}') from error
        outcomes.setdefault(original.name, Counter())[found] += 1
        path.unlink()
    total = sum(outcomes.values(), Counter())
    with capsys.disabled():
        if FILES > 800:
            for name, counts in outcomes.items():
                print(f'{name:24} {dict(sorted(counts.items()))}')
            print(f'{FILES} mutated images: {dict(sorted(total.items()))}')
    assert total['refused'] > FILES / 3
    assert total['other pixels'] > 0  # the mutations reach what no format could notice
