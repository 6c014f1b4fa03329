"""What is missing in a file, or declared beyond its data, is refused before it is decoded; what is sound passes."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mmcellseg.data.damage import png_fault
from mmcellseg.data.tiff import ImageReadError, page_count, printable, read_image, read_label_map, read_values

LABELS = np.zeros((100, 80))
LABELS[60:80, 20:40] = 7


def save(path, array, **options):
    tifffile.imwrite(path, array, metadata=None, **options)
    return path


def rewrite(path, **tags):
    with tifffile.TiffFile(path, mode='r+b') as file:
        for name, change in tags.items():
            tag = file.pages[0].tags[name]
            tag.overwrite(change(tag.value) if callable(change) else change)
    return path


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
    ],
)
def test_headers_that_do_not_fit_their_strips(tmp_path, tags, words):
    path = rewrite(save(tmp_path / 'a.tif', LABELS, rowsperstrip=10), **tags)
    if words is None:  # nine rows are no damage that could be told: the last strip may hold more
        assert read_label_map(path).shape == (91, 80)
        return
    with pytest.raises(ImageReadError, match=rf'a\.tif is damaged: {words}'):
        read_label_map(path)


def test_a_single_strip_is_held_against_its_byte_count(tmp_path):
    path = save(tmp_path / 'a.tif', LABELS)
    with pytest.raises(ImageReadError, match='1 of its 1 strips have no data'):
        read_label_map(rewrite(path, StripByteCounts=0))
    with pytest.raises(ImageReadError, match='strip 1 of 1 holds 63999 bytes, but its part .* takes 64000'):
        read_label_map(rewrite(path, StripByteCounts=63_999))


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


def test_tiles_and_jpegs_larger_than_their_image(tmp_path):
    path = save(tmp_path / 'a.tif', np.zeros((60, 60), np.uint8), tile=(64, 64), compression='zstd')
    with pytest.raises(ImageReadError, match=r'a\.tif is damaged: its tiles are 65520 × 65520 px, its image 60 × 60'):
        read_image(rewrite(path, TileWidth=65_520, TileLength=65_520))
    save(path, np.zeros((64, 64, 3), np.uint8), photometric='rgb', compression='jpeg')
    assert not read_image(path).any()
    data = bytearray(path.read_bytes())
    frame = data.index(b'\xff\xc0')  # marker, length and precision, then height and width
    data[frame + 5 : frame + 9] = struct.pack('>HH', 60_000, 60_000)
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r'a\.tif is damaged: strip 1 of 1 holds a JPEG of 60000 × 60000 px'):
        read_image(path)


def chunk(name, body):
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def png(width, height, pixels, colour=0, depth=8, interlaced=0):
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, interlaced)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + b''.join(chunk(b'IDAT', p) for p in pixels)
        + chunk(b'IEND', b'')
    )


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


@pytest.mark.parametrize('shape', [(3, 5), (1, 1), (8, 8), (17, 13)])
def test_an_interlaced_png_is_taken_pass_by_pass(tmp_path, rng, shape):
    grey = rng.integers(0, 256, shape, dtype=np.uint8)
    # The seven passes of Adam7 (PNG specification, section 8.2), of which small images have fewer.
    passes = [
        grey[::8, ::8],
        grey[::8, 4::8],
        grey[4::8, ::4],
        grey[::4, 2::4],
        grey[2::4, ::2],
        grey[::2, 1::2],
        grey[1::2],
    ]
    raw = b''.join(b'\0' + row.tobytes() for part in passes if part.size for row in part)
    data = png(shape[1], shape[0], [zlib.compress(raw)], interlaced=1)
    (tmp_path / 'a.png').write_bytes(data)
    assert np.array_equal(read_image(tmp_path / 'a.png')[..., 0], grey)
    assert 'where' in png_fault(png(shape[1], shape[0], [zlib.compress(raw[:-1])], interlaced=1))


def test_a_jpeg_of_more_pixels_than_its_bytes(tmp_path):
    path = tmp_path / 'a.jpg'
    Image.new('RGB', (800, 600)).save(path, quality=1, optimize=True)
    assert read_image(path).shape == (600, 800, 3)  # as little as a JPEG can hold
    data = bytearray(path.read_bytes())
    frame = data.index(b'\xff\xc0')
    data[frame + 5 : frame + 9] = struct.pack('>HH', 9_000, 9_000)
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match=r'a\.jpg is damaged: it declares 9000 × 9000 px, more than its \d+ bytes'):
        read_image(path)


def test_bool_values_spread_by_percentiles(tmp_path):
    path = save(tmp_path / 'a.tif', np.array([[False, True, True]]), photometric='minisblack')
    assert read_image(path, scale='percentile')[0, :, 0].tolist() == [0, 255, 255]
    assert read_image(path, scale=(0, 2))[0, :, 0].tolist() == [0, 128, 128]
    assert read_label_map(path).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize('reader', [read_image, read_values, read_label_map, page_count])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / 'class1.tif')
    with pytest.raises(ImageReadError, match=r'class1\.tif is a pipe, socket or device: expected a regular file'):
        reader(tmp_path / 'class1.tif')


def test_names_that_are_no_utf_8_can_be_printed(tmp_path):
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b'caf\xe9\n.tif'))
    with open(path, 'w') as file:
        file.write('no image')
    with pytest.raises(ImageReadError, match=r'caf\\xe9\\n\.tif cannot be decoded') as caught:
        read_image(path)
    assert str(caught.value).isprintable()
    assert printable('größe 5 µm.tif') == 'größe 5 µm.tif'
    assert printable('\ud800\ufeff') == '\\ud800\\ufeff'


@pytest.mark.parametrize('dtype', [np.uint64, np.float64])
def test_ids_of_2_to_the_63_are_refused(tmp_path, dtype):
    path = save(tmp_path / 'a.tif', np.array([[0, 2**63]], dtype))
    with pytest.raises(ImageReadError, match=r'a\.tif holds .* no ids, such as 9\.?22337203685477.*: .* ids below 2⁶³'):
        read_label_map(path)
    path = save(path, np.array([[0, 2**63 - 1024]], dtype))
    assert read_label_map(path).tolist() == [[0, 2**63 - 1024]]


def test_whatever_else_fails_has_the_files_name(tmp_path, monkeypatch, rng):
    path = save(tmp_path / 'a.tif', np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageReadError, match=r'a\.tif cannot be decoded'):
        read_image(rewrite(path, ImageWidth=0))
    cv2.imwrite(str(tmp_path / 'a.png'), rng.integers(0, 65536, (9, 9, 3)).astype(np.uint16))
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: None)
    with pytest.raises(ImageReadError, match=r'a\.png is damaged: OpenCV cannot decode its 16 bits'):
        read_image(tmp_path / 'a.png')

    def full(*args):
        raise MemoryError('Unable to allocate 26.8 GiB')

    monkeypatch.setattr(np, 'percentile', full)
    with pytest.raises(ImageReadError, match=r'b\.tif does not fit into memory.*26\.8 GiB'):
        read_image(save(tmp_path / 'b.tif', np.zeros((8, 8), np.uint8)), scale='percentile')
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read_image(tmp_path)
    with pytest.raises(NotADirectoryError, match=r'b\.tif/c\.tif'):
        read_image(tmp_path / 'b.tif' / 'c.tif')
