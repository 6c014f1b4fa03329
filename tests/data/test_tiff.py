"""The reader: every kind of file against values worked out by hand, and every refusal with its words."""

import os

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import save

from mmcellseg.data.tiff import (
    ImageReadError,
    image_size,
    page_count,
    printable,
    read_image,
    read_label_map,
    read_values,
)


@pytest.fixture
def rgb(rng) -> np.ndarray:
    return rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize('compression', [None, 'lzw', 'deflate'])
@pytest.mark.parametrize('planar', ['contig', 'separate'])
@pytest.mark.parametrize('blocks', [{'rowsperstrip': 5}, {'tile': (16, 16)}])
@pytest.mark.parametrize('channels', [3, 4])
def test_colour_files(tmp_path, rgb, compression, planar, blocks, channels):
    array = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])[..., :channels]
    stored = array if planar == 'contig' else np.moveaxis(array, -1, 0)
    options = {**blocks, 'planarconfig': planar, 'compression': compression, 'predictor': compression is not None}
    options |= {'extrasamples': ['unassalpha']} if channels == 4 else {}
    path = save(tmp_path / 'a.tif', stored, photometric='rgb', **options)
    assert np.array_equal(read_image(path), rgb)
    assert read_image(path).flags.c_contiguous
    assert image_size(path) == (37, 53)
    assert np.array_equal(read_values(path), array)


def test_jpeg_compression_is_near(tmp_path):
    yy, xx = np.mgrid[:64, :64]
    smooth = np.stack([yy * 3, xx * 3, yy + xx], -1).astype(np.uint8)
    save(tmp_path / 'a.tif', smooth, photometric='rgb', compression='jpeg', compressionargs={'level': 95})
    Image.fromarray(smooth).convert('YCbCr').save(tmp_path / 'b.tif', compression='jpeg', quality=95)
    assert tifffile.TiffFile(tmp_path / 'b.tif').pages[0].photometric.name == 'YCBCR'
    for name in 'ab':
        assert np.abs(read_image(tmp_path / f'{name}.tif').astype(int) - smooth).max() <= 8
    Image.fromarray(smooth).convert('YCbCr').save(tmp_path / 'c.tif')  # nothing would turn these values into RGB
    with pytest.raises(ImageReadError, match=r'c\.tif holds .* in the colour model YCBCR: accepted are'):
        read_image(tmp_path / 'c.tif')


@pytest.mark.parametrize(
    ('dtype', 'values', 'expected'),
    [
        (np.uint8, [0, 100, 255], [0, 100, 255]),
        (np.uint16, [0, 257, 65535], [0, 1, 255]),  # 65535 / 255 = 257
        (np.uint16, [128, 129, 32768], [0, 1, 128]),  # halves of 257 round to the nearer
        (np.int16, [0, 16384, 32767], [0, 128, 255]),
        (np.int8, [0, 64, 127], [0, 129, 255]),
        (np.uint32, [0, 2**31, 2**32 - 1], [0, 128, 255]),
        (np.float32, [0, 0.5, 1], [0, 128, 255]),
        (np.float64, [0, 0.1, 1], [0, 26, 255]),
        (np.float16, [0, 0.25, 1], [0, 64, 255]),
        (bool, [0, 1, 1], [0, 255, 255]),
    ],
)
def test_the_types_range_becomes_0_to_255(tmp_path, dtype, values, expected):
    image = read_image(save(tmp_path / 'a.tif', np.array([values, values], dtype), photometric='minisblack'))
    assert image.shape == (2, 3, 3)
    assert image.dtype == np.uint8
    assert image[0].tolist() == [[v] * 3 for v in expected]


def test_bits_white_and_palette(tmp_path):
    twelve = np.array([[0, 2048, 4095, 16]], np.uint16)  # 4095 is their white
    assert read_image(save(tmp_path / 'a.tif', twelve, bitspersample=12))[0, :, 0].tolist() == [0, 128, 255, 1]
    grey = np.array([[0, 10, 255]], np.uint8)
    assert read_image(save(tmp_path / 'a.tif', grey, photometric='miniswhite'))[0, :, 0].tolist() == [255, 245, 0]
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 10] = 65535, 257, 0
    path = save(tmp_path / 'b.tif', grey, photometric='palette', colormap=colormap)
    assert read_image(path)[0, 1].tolist() == [255, 1, 0]
    assert np.array_equal(read_label_map(path), grey)  # as ImageJ saves label maps


def test_scale_rules(tmp_path):
    path = save(tmp_path / 'a.tif', np.array([[-10, 0, 5, 10, 30]], np.float32))
    assert read_image(path, scale=(0, 10))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    values = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    image = read_image(save(tmp_path / 'b.tif', values), scale='percentile')[..., 0].ravel()
    # the 1st percentile is 10, the 99.8th 998, and half of the way between 504
    assert image[[10, 503, 504, 998]].tolist() == [0, 127, 128, 255]
    assert not read_image(save(tmp_path / 'c.tif', np.full((4, 4), 7, np.int32)), scale='percentile').any()
    path = save(tmp_path / 'd.tif', np.array([[False, True, True]]), photometric='minisblack')
    assert read_image(path, scale='percentile')[0, :, 0].tolist() == [0, 255, 255]
    assert read_image(path, scale=(0, 2))[0, :, 0].tolist() == [0, 128, 128]
    for scale in ('minmax', (5, 5), (3, 1), (0, np.inf), (1, 2, 3)):
        with pytest.raises(ValueError, match="scale must be 'dtype', 'percentile' or"):
            read_image(tmp_path / 'not-read.tif', scale=scale)


def test_pages(tmp_path, rgb):
    path = tmp_path / 'a.tif'
    with tifffile.TiffWriter(path) as writer:
        for page in (rgb, rgb[:20]):
            writer.write(page, photometric='rgb', metadata=None)
    assert np.array_equal(read_image(path), rgb)
    assert np.array_equal(read_image(path, page=1), rgb[:20])
    assert (page_count(path), image_size(path, page=1)) == (2, (20, 53))
    for page in (2, -1):
        with pytest.raises(ImageReadError, match=rf'a\.tif has 2 page\(s\), .* page {page} was asked for'):
            read_image(path, page=page)


@pytest.mark.parametrize('shape', [(9, 11), (9, 11, 3), (9, 11, 4)])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_png_as_tiff(tmp_path, rng, shape, dtype):
    array = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    flipped = array if array.ndim == 2 else np.dstack([array[..., 2::-1], array[..., 3:]])
    assert cv2.imwrite(str(tmp_path / 'a.png'), flipped)
    tiff = save(tmp_path / 'a.tif', array, photometric='minisblack' if len(shape) == 2 else 'rgb')
    assert np.array_equal(read_image(tmp_path / 'a.png'), read_image(tiff))
    assert image_size(tmp_path / 'a.png') == (9, 11)


def test_other_pictures(tmp_path, rgb):
    """Palette, 1-bit and grey-with-alpha PNGs, and JPEG; the suffix does not matter."""
    Image.fromarray(rgb).quantize(16).save(tmp_path / 'p.png')
    assert np.array_equal(read_image(tmp_path / 'p.png'), np.asarray(Image.open(tmp_path / 'p.png').convert('RGB')))
    Image.fromarray(rgb[..., 0] > 99).save(tmp_path / '1.png')
    assert np.array_equal(read_image(tmp_path / '1.png')[..., 1], (rgb[..., 0] > 99) * 255)
    Image.fromarray(rgb[..., :2], 'LA').save(tmp_path / 'la.png')
    assert np.array_equal(read_image(tmp_path / 'la.png')[..., 2], rgb[..., 0])
    Image.fromarray(rgb).save(tmp_path / 'jpeg.tif', format='JPEG')
    assert np.array_equal(read_image(tmp_path / 'jpeg.tif'), np.asarray(Image.open(tmp_path / 'jpeg.tif')))
    with pytest.raises(ImageReadError, match=r'1\.png has one page'):
        read_image(tmp_path / '1.png', page=1)


@pytest.mark.parametrize(
    ('array', 'options', 'words'),
    [
        (np.zeros((4, 5, 6), np.uint8), {'photometric': 0, 'planarconfig': 1}, r'\(4, 5, 6\), uint8.*RGBA'),
        (np.zeros((4, 5), np.complex64), {}, r'\(4, 5\), complex64: accepted are integers and real floats'),
        (np.full((4, 5), 3.5, np.float32), {}, r'float32 with values from 3.5 to 3.5.*set scale=.percentile'),
        (np.full((4, 5), -3, np.int16), {}, r'\(4, 5\), int16 with values from -3 to -3.*set scale='),
        (np.full((4, 5), np.nan, np.float32), {}, r'float32 with NaN'),
        (np.zeros((4, 5, 4), np.uint8), {'photometric': 'separated'}, r'\(4, 5, 4\), uint8, .*colour model SEPARATED'),
    ],
)
def test_refusals_name_what_was_found(tmp_path, array, options, words):
    path = save(tmp_path / 'odd.tif', array, **options)
    with pytest.raises(ImageReadError, match=rf'odd\.tif holds shape .*{words}'):
        read_image(path)


@pytest.mark.parametrize('keep', [0, 3, 8, 30, 100, 0.3, 0.7, 0.95, 0.999])
@pytest.mark.parametrize('kind', [{}, {'compression': 'lzw'}, {'rowsperstrip': 1}, {'tile': (16, 16)}, 'png', 'jpg'])
def test_truncated_files(tmp_path, rgb, keep, kind):
    path = tmp_path / f'cut.{kind if isinstance(kind, str) else "tif"}'
    if isinstance(kind, str):
        Image.fromarray(rgb).save(path)
        end = path.stat().st_size
    else:
        page = tifffile.TiffFile(save(path, rgb, photometric='rgb', **kind)).pages[0]
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts)))
    path.write_bytes(path.read_bytes()[: keep if isinstance(keep, int) else int(keep * end)])
    words = 'truncated' if isinstance(kind, str) else '(truncated|damaged)'
    with pytest.raises(ImageReadError, match=rf'cut\.... .*{words}'):
        read_image(path)


def test_not_an_image(tmp_path):
    path = tmp_path / 'a.tif'
    path.write_text('{"this": "is json"}')
    for reader in (read_image, image_size, read_values, read_label_map):
        with pytest.raises(ImageReadError, match=r'a\.tif .*accepted are TIFF, PNG and JPEG'):
            reader(path)
    Image.new('RGB', (4, 4)).save(path, format='BMP')
    with pytest.raises(ImageReadError, match=r'a\.tif is a BMP file of \(4, 4\) px: accepted are TIFF'):
        read_image(path)
    with pytest.raises(FileNotFoundError, match=r'none\.tif'):
        read_image(tmp_path / 'none.tif')
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read_image(tmp_path)
    with pytest.raises(NotADirectoryError, match=r'a\.tif/c\.tif'):
        read_image(path / 'c.tif')
    os.mkfifo(tmp_path / 'class1.tif')  # opening it would wait for a writer
    for reader in (read_image, read_values, read_label_map, page_count):
        with pytest.raises(ImageReadError, match=r'class1\.tif is a pipe, socket or device: expected a regular file'):
            reader(tmp_path / 'class1.tif')


def test_missing_codec_names_the_package(tmp_path, rgb, monkeypatch):
    path = save(tmp_path / 'a.tif', rgb, photometric='rgb', compression='jpeg')
    monkeypatch.setattr(tifffile.tifffile, 'imagecodecs', object())  # has no codec
    monkeypatch.setattr(tifffile.TIFF.DECOMPRESSORS, '_codecs', {})
    with pytest.raises(ImageReadError, match=r'a\.tif .*codec .* install the package imagecodecs'):
        read_image(path)


def test_label_maps(tmp_path):
    labels = np.array([[0, 3], [70000, 3]], np.float64)
    read = read_label_map(save(tmp_path / 'a.tif', labels))
    assert read.dtype == np.int64
    assert np.array_equal(read, labels)
    assert read_label_map(save(tmp_path / 'b.tif', labels.astype(np.uint32))).dtype == np.uint32
    assert read_label_map(save(tmp_path / 'c.tif', labels > 3, photometric='minisblack')).tolist() == [[0, 0], [1, 0]]
    assert read_label_map(save(tmp_path / 'd.tif', np.array([[2.0**63 - 1024]]))).tolist() == [[2**63 - 1024]]
    for bad, dtype in ((0.5, float), (np.nan, float), (-2, np.int16), (2**63, np.uint64), (2.0**63, float)):
        array = np.array([[0, bad]]).astype(dtype)
        path = save(tmp_path / 'e.tif', array)
        words = rf'e\.tif holds shape \(1, 2\), {array.dtype} with values that are no ids, such as'
        with pytest.raises(ImageReadError, match=f'{words} {array[0, 1]}: .* whole ids below 2⁶³'.replace('+', r'\+')):
            read_label_map(path)
        assert np.array_equal(read_values(path), array, equal_nan=array.dtype.kind == 'f')
    with pytest.raises(ImageReadError, match=r'f\.tif holds shape \(3, 4, 3\), uint8, but a label map'):
        read_label_map(save(tmp_path / 'f.tif', np.zeros((3, 4, 3), np.uint8), photometric='rgb'))


def test_names_that_are_no_utf_8_can_be_printed(tmp_path):
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b'caf\xe9\n.tif'))
    with open(path, 'w') as file:
        file.write('no image')
    with pytest.raises(ImageReadError, match=r'caf\\xe9\\n\.tif cannot be decoded') as caught:
        read_image(path)
    assert str(caught.value).isprintable()
    assert printable('größe 5 µm.tif') == 'größe 5 µm.tif'
    assert printable('\ud800\ufeff') == '\\ud800\\ufeff'


def test_what_does_not_fit_into_memory_has_the_files_name(tmp_path, monkeypatch):
    def full(*args):
        raise MemoryError('Unable to allocate 26.8 GiB')

    monkeypatch.setattr(np, 'percentile', full)
    with pytest.raises(ImageReadError, match=r'b\.tif does not fit into memory.*26\.8 GiB'):
        read_image(save(tmp_path / 'b.tif', np.zeros((8, 8), np.uint8)), scale='percentile')


def test_real_sample(hw3_sample_dir):
    folder = hw3_sample_dir / 'train' / 'sample'
    image = read_image(folder / 'image.tif')
    assert image.shape == (*image_size(folder / 'image.tif'), 3) == (397, 482, 3)
    assert np.array_equal(image, tifffile.imread(folder / 'image.tif')[..., :3])
    assert len(np.unique(read_label_map(folder / 'class2.tif'))) == 159 + 1
