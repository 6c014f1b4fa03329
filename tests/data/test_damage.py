"""What is missing in a file, or declared beyond its data, is refused before it is decoded; what is sound passes."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import rewrite, save

from mmcellseg.data.tiff import ImageReadError, read_image, read_label_map, read_values

LABELS = np.zeros((100, 80))
LABELS[60:80, 20:40] = 7


@pytest.mark.parametrize('compression', [None, 'lzw', 'deflate'])
@pytest.mark.parametrize(
    ('kind', 'blocks', 'n'), [('Strip', {'rowsperstrip': 10}, 10), ('Tile', {'tile': (32, 32)}, 12)]
)
def test_absent_strips_and_tiles(tmp_path, compression, kind, blocks, n):
    def labels_without(tag, change):
        path = save(tmp_path / 'labels.tif', LABELS, compression=compression, **blocks)
        return rewrite(path, **{f'{kind}{tag}': change})

    text = rf'labels\.tif is damaged, or was not written to its end: {{}} of its {n} {kind.lower()}s have no data'
    with pytest.raises(ImageReadError, match=text.format(n) + rf', the first of them {kind.lower()} 1$'):
        read_label_map(labels_without('ByteCounts', lambda counts: [0] * n))
    with pytest.raises(ImageReadError, match=text.format(1) + rf', the first of them {kind.lower()} 8$'):
        read_values(labels_without('Offsets', lambda offsets: [*offsets[:7], 0, *offsets[8:]]))


@pytest.mark.parametrize(
    ('tags', 'words'),
    [
        ({'ImageLength': 200}, 'it lists 10 strips, but its 200 × 80 px take 20'),
        ({'ImageLength': 91}, None),
        ({'ImageLength': 90}, 'it lists 10 strips, but its 90 × 80 px take 9'),
        ({'RowsPerStrip': 5}, 'it lists 10 strips, but its 100 × 80 px take 20'),
        ({'ImageWidth': 81}, 'strip 1 of 10 holds 6400 bytes, but its part of 100 × 81 px takes 6480'),
        ({'StripByteCounts': [6400] * 9 + [6000]}, 'strip 10 of 10 holds 6000 bytes, but .* takes 6400'),
        ({'StripByteCounts': 0}, 'or was not written to its end: 1 of its 1 strips have no data'),
        ({'StripByteCounts': 63_999}, 'strip 1 of 1 holds 63999 bytes, but its part .* takes 64000'),
    ],
)
def test_headers_that_do_not_fit_their_strips(tmp_path, tags, words):
    single = isinstance(tags.get('StripByteCounts'), int)
    path = rewrite(save(tmp_path / 'a.tif', LABELS, rowsperstrip=100 if single else 10), **tags)
    if words is None:  # nine rows are no damage that could be told: the last strip may hold more
        assert read_label_map(path).shape == (91, 80)
        return
    with pytest.raises(ImageReadError, match=rf'a\.tif is damaged[:,] {words}'):
        read_label_map(path)


@pytest.mark.parametrize(
    ('compression', 'most'), [('deflate', 1032), ('lzw', 2730), ('zstd', 32768), ('packbits', 64), (None, 1)]
)
def test_a_small_file_may_not_declare_a_large_image(tmp_path, compression, most):
    path = save(tmp_path / 'bomb.tif', np.zeros((64, 64), np.uint8), compression=compression)
    (held,) = tifffile.TiffFile(path).pages[0].databytecounts
    rewrite(path, ImageWidth=60_000, ImageLength=60_000, RowsPerStrip=60_000)
    can = '' if most == 1 else f', which can become {most * held} at most'
    words = rf'strip 1 of 1 holds {held} bytes{can}, but its part of 60000 × 60000 px takes 3600000000$'
    with pytest.raises(ImageReadError, match=rf'bomb\.tif is damaged: {words}'):
        read_image(path)


@pytest.mark.parametrize('blocks', [{'rowsperstrip': 2500}, {'tile': (512, 512)}])
@pytest.mark.parametrize(
    ('compression', 'level'), [('deflate', 9), ('lzw', None), ('zstd', 22), ('packbits', None), ('lerc', None)]
)
def test_sparse_label_maps_pass(tmp_path, blocks, compression, level):
    """No more than a few cells on 5 million px of float64: as far as compression goes in earnest."""
    labels = np.zeros((2500, 2000))
    if compression == 'packbits':
        labels = labels.astype(np.uint8)  # the encoder takes a minute for 40 MB
    options = {'level': level} if level else {}
    save(tmp_path / 'a.tif', labels, compression=compression, compressionargs=options, **blocks)
    assert not read_label_map(tmp_path / 'a.tif').any()


@pytest.mark.parametrize('compression', [None, 'lzw', 'lzma', 'jpeg'])
def test_a_planar_configuration_that_is_none(tmp_path, rng, compression):
    """Only a part of what is read would be pixels of the file; the rest whatever was in memory."""
    pixels = rng.integers(0, 256, (45, 61, 3), np.uint8)
    path = save(tmp_path / 'a.tif', pixels, photometric='rgb', compression=compression, tile=(16, 32))
    for value in (0, 3, 49575):
        with pytest.raises(ImageReadError, match=rf'a\.tif is damaged: its planar configuration is {value}, expected'):
            read_image(rewrite(path, PlanarConfiguration=value))


def resize_jpeg(path, side):
    """Write another height and width into a JPEG's frame header."""
    data = bytearray(path.read_bytes())
    frame = data.index(b'\xff\xc0')  # marker, length and precision, then height and width
    data[frame + 5 : frame + 9] = struct.pack('>HH', side, side)
    path.write_bytes(data)
    return path


def test_tiles_and_jpegs_larger_than_their_image_or_bytes(tmp_path):
    path = save(tmp_path / 'a.tif', np.zeros((60, 60), np.uint8), tile=(64, 64), compression='zstd')
    with pytest.raises(ImageReadError, match=r'a\.tif is damaged: its tiles are 65520 × 65520 px, its image 60 × 60'):
        read_image(rewrite(path, TileWidth=65_520, TileLength=65_520))
    save(path, np.zeros((64, 64, 3), np.uint8), photometric='rgb', compression='jpeg')
    assert not read_image(path).any()
    with pytest.raises(ImageReadError, match=r'a\.tif is damaged: strip 1 of 1 holds a JPEG of 60000 × 60000 px'):
        read_image(resize_jpeg(path, 60_000))
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (800, 600)).save(path, quality=1, optimize=True)
    assert read_image(path).shape == (600, 800, 3)  # as little as a JPEG can hold
    with pytest.raises(ImageReadError, match=r'a\.jpg is damaged: it declares 9000 × 9000 px, more than its \d+ bytes'):
        read_image(resize_jpeg(path, 9_000))


def chunk(name, body):
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def png(width, height, pixels):
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))]
    chunks += [*((b'IDAT', part) for part in pixels), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*each) for each in chunks)


def test_png(tmp_path, rng):
    path = tmp_path / 'a.png'
    grey = rng.integers(0, 256, (5, 9), dtype=np.uint8)
    stream = zlib.compress(b''.join(b'\0' + row.tobytes() for row in grey))

    def refused(data, words):
        path.write_bytes(data)
        with pytest.raises(ImageReadError, match=rf'a\.png .*{words}'):
            read_image(path)

    parts = [stream[:10], stream[10:20], stream[20:]]
    path.write_bytes(png(9, 5, parts) + b'what follows the end does no harm')
    assert np.array_equal(read_image(path)[..., 0], grey)
    refused(png(9, 5, [parts[0], parts[2]]), 'is damaged: its pixels ')  # every checksum of a chunk fits
    refused(png(9, 5, [parts[0], parts[1]]), 'is damaged: its pixels are .* without their end, where 50 were declared')
    refused(png(9, 5, [zlib.compress(bytes(40))]), 'its pixels are 40 bytes without their end, where 50 were declared')
    refused(png(9, 5, parts)[:-12], 'is truncated: it ends at byte')
    refused(png(9, 5, parts)[:-1] + b'!', r'is damaged: it has no header \(IHDR\) or a broken end \(IEND\)')
    data = bytearray(png(9, 5, parts))
    data[data.index(b'IDAT') + 6] ^= 1
    refused(data, "is damaged: the checksum of its chunk b'IDAT' at byte 33 does not fit its content")
    # 9,000 rows of 9,000 px and a filter byte, from 10 bytes
    refused(png(9_000, 9_000, [parts[0]]), 'it declares 9000 × 9000 px, more than its 10 bytes of pixels can become')
