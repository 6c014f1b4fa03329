"""The reader: every kind of file against values worked out by hand, and every refusal with its words."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from mmcellseg.data.tiff import ImageReadError, image_size, read_image, read_label_map, read_values


@pytest.fixture
def rgb(rng) -> np.ndarray:
    return rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)


def save(path, array, **options):
    tifffile.imwrite(path, array, metadata=None, **options)
    return path


@pytest.mark.parametrize('compression', [None, 'lzw', 'deflate'])
@pytest.mark.parametrize('planar', ['contig', 'separate'])
@pytest.mark.parametrize('blocks', [{'rowsperstrip': 5}, {'tile': (16, 16)}])
@pytest.mark.parametrize('channels', [3, 4])
def test_colour_files(tmp_path, rgb, compression, planar, blocks, channels):
    array = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])[..., :channels]
    stored = array if planar == 'contig' else np.moveaxis(array, -1, 0)
    options = {'extrasamples': ['unassalpha']} if channels == 4 else {}
    path = save(
        tmp_path / 'a.tif',
        stored,
        photometric='rgb',
        planarconfig=planar,
        compression=compression,
        predictor=compression is not None,
        **blocks,
        **options,
    )
    assert np.array_equal(read_image(path), rgb)
    assert read_image(path).flags.c_contiguous
    assert image_size(path) == (37, 53)
    assert np.array_equal(read_values(path), array)


def test_jpeg_compression_is_near(tmp_path):
    yy, xx = np.mgrid[:64, :64]
    smooth = np.stack([yy * 3, xx * 3, yy + xx], -1).astype(np.uint8)
    path = save(tmp_path / 'a.tif', smooth, photometric='rgb', compression='jpeg', compressionargs={'level': 95})
    assert tifffile.TiffFile(path).pages[0].compression == 7
    assert np.abs(read_image(path).astype(int) - smooth).max() <= 8
    Image.fromarray(smooth).convert('YCbCr').save(tmp_path / 'b.tif', compression='jpeg', quality=95)
    assert tifffile.TiffFile(tmp_path / 'b.tif').pages[0].photometric.name == 'YCBCR'
    assert np.abs(read_image(tmp_path / 'b.tif').astype(int) - smooth).max() <= 8
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
    path = save(tmp_path / 'a.tif', np.array([values, values], dtype), photometric='minisblack')
    image = read_image(path)
    assert image.shape == (2, 3, 3)
    assert image.dtype == np.uint8
    assert image[0].tolist() == [[v] * 3 for v in expected]


def test_bits_per_sample_count(tmp_path):
    """A 12-bit sample is stored in 16 bits, and 4095 is its white."""
    path = save(tmp_path / 'a.tif', np.array([[0, 2048, 4095, 16]], np.uint16), bitspersample=12)
    assert read_image(path)[0, :, 0].tolist() == [0, 128, 255, 1]


def test_white_is_zero_and_palette(tmp_path):
    grey = np.array([[0, 10, 255]], np.uint8)
    assert read_image(save(tmp_path / 'a.tif', grey, photometric='miniswhite'))[0, :, 0].tolist() == [255, 245, 0]
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 10] = 65535, 257, 0
    path = save(tmp_path / 'b.tif', grey, photometric='palette', colormap=colormap)
    assert read_image(path)[0, 1].tolist() == [255, 1, 0]


def test_scale_rules(tmp_path):
    values = np.array([[-10, 0, 5, 10, 30]], np.float32)
    path = save(tmp_path / 'a.tif', values)
    assert read_image(path, scale=(0, 10))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    values = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    image = read_image(save(tmp_path / 'b.tif', values), scale='percentile')[..., 0].ravel()
    assert image[10] == 0  # 1st percentile: 10
    assert image[998] == 255  # 99.8th: 998
    assert image[504] == 128  # half of the way between
    assert image[503] == 127
    assert not read_image(save(tmp_path / 'c.tif', np.full((4, 4), 7, np.int32)), scale='percentile').any()


@pytest.mark.parametrize('scale', ['minmax', (5, 5), (3, 1), (0, np.inf), (1, 2, 3)])
def test_unknown_scale(tmp_path, scale):
    with pytest.raises(ValueError, match="scale must be 'dtype', 'percentile' or"):
        read_image(tmp_path / 'not-read.tif', scale=scale)


def test_pages(tmp_path, rgb):
    path = tmp_path / 'a.tif'
    with tifffile.TiffWriter(path) as writer:
        writer.write(rgb, photometric='rgb', metadata=None)
        writer.write(rgb[:20], photometric='rgb', metadata=None)
    assert np.array_equal(read_image(path), rgb)
    assert np.array_equal(read_image(path, page=1), rgb[:20])
    assert image_size(path, page=1) == (20, 53)
    for page in (2, -1):
        with pytest.raises(ImageReadError, match=rf'a\.tif has 2 page\(s\), .* page {page} was asked for'):
            read_image(path, page=page)


@pytest.mark.parametrize('shape', [(9, 11), (9, 11, 3), (9, 11, 4)])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_png_as_tiff(tmp_path, rng, shape, dtype):
    import cv2

    array = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    order = {2: slice(None), 3: [2, 1, 0], 4: [2, 1, 0, 3]}[2 if len(shape) == 2 else shape[2]]
    assert cv2.imwrite(str(tmp_path / 'a.png'), array[..., order] if len(shape) == 3 else array)
    photometric = 'minisblack' if len(shape) == 2 else 'rgb'
    tiff = read_image(save(tmp_path / 'a.tif', array, photometric=photometric))
    assert np.array_equal(read_image(tmp_path / 'a.png'), tiff)
    assert image_size(tmp_path / 'a.png') == (9, 11)


def test_other_pictures(tmp_path, rgb):
    """Palette, 1-bit and grey-with-alpha PNGs, and JPEG; the suffix does not matter."""
    Image.fromarray(rgb).quantize(16).save(tmp_path / 'p.png')
    expected = np.asarray(Image.open(tmp_path / 'p.png').convert('RGB'))
    assert np.array_equal(read_image(tmp_path / 'p.png'), expected)
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
        (
            np.zeros((4, 5, 6), np.uint8),
            {'photometric': 'minisblack', 'planarconfig': 'contig'},
            r'\(4, 5, 6\), uint8.*RGBA',
        ),
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


@pytest.mark.parametrize('keep', [0, 3, 8, 100, 0.3, 0.7, 0.97, 0.999])
@pytest.mark.parametrize('options', [{}, {'compression': 'lzw'}, {'rowsperstrip': 1}, {'tile': (16, 16)}])
def test_truncated_tiff(tmp_path, rgb, keep, options):
    data = save(tmp_path / 'a.tif', rgb, photometric='rgb', **options).read_bytes()
    end = max(
        o + n
        for o, n in zip(
            *(getattr(tifffile.TiffFile(tmp_path / 'a.tif').pages[0], a) for a in ('dataoffsets', 'databytecounts'))
        )
    )
    cut = tmp_path / 'cut.tif'
    cut.write_bytes(data[: keep if isinstance(keep, int) else int(keep * end)])
    with pytest.raises(ImageReadError, match=r'cut\.tif .*(truncated|damaged)'):
        read_image(cut)


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
@pytest.mark.parametrize('keep', [0, 5, 30, 0.5, 0.95])
def test_truncated_picture(tmp_path, rgb, suffix, keep):
    Image.fromarray(rgb).save(tmp_path / f'a.{suffix}')
    data = (tmp_path / f'a.{suffix}').read_bytes()
    cut = tmp_path / f'cut.{suffix}'
    cut.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(ImageReadError, match=r'cut\.(png|jpg) .*truncated'):
        read_image(cut)


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


def test_missing_codec_names_the_package(tmp_path, rgb, monkeypatch):
    path = save(tmp_path / 'a.tif', rgb, photometric='rgb', compression='jpeg')
    codecs = tifffile.TIFF.DECOMPRESSORS
    monkeypatch.setattr(tifffile.tifffile, 'imagecodecs', object())  # has no codec
    monkeypatch.setattr(codecs, '_codecs', {})
    with pytest.raises(ImageReadError, match=r'a\.tif .*codec .* install the package imagecodecs'):
        read_image(path)


def test_label_maps(tmp_path):
    labels = np.array([[0, 3], [70000, 3]], np.float64)
    read = read_label_map(save(tmp_path / 'a.tif', labels))
    assert read.dtype == np.int64
    assert np.array_equal(read, labels)
    assert read_label_map(save(tmp_path / 'b.tif', labels.astype(np.uint32))).dtype == np.uint32
    for bad, words in ((0.5, 'no ids, such as 0.5'), (np.nan, 'no ids, such as nan'), (-2, 'no ids, such as -2')):
        labels[0, 0] = bad
        path = save(tmp_path / 'c.tif', labels)
        with pytest.raises(ImageReadError, match=rf'c\.tif holds shape \(2, 2\), float64 with .*{words}'):
            read_label_map(path)
        assert np.array_equal(read_values(path), labels, equal_nan=True)
    palette = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)  # as ImageJ saves label maps
    indices = np.array([[0, 3], [200, 3]], np.uint8)
    path = save(tmp_path / 'e.tif', indices, photometric='palette', colormap=palette)
    assert np.array_equal(read_label_map(path), indices)
    assert read_image(path).shape == (2, 2, 3)
    with pytest.raises(ImageReadError, match=r'd\.tif holds shape \(3, 4, 3\), uint8, but a label map'):
        read_label_map(save(tmp_path / 'd.tif', np.zeros((3, 4, 3), np.uint8), photometric='rgb'))


def test_real_sample(hw3_sample_dir):
    folder = hw3_sample_dir / 'train' / 'sample'
    image = read_image(folder / 'image.tif')
    assert image.shape == (*image_size(folder / 'image.tif'), 3) == (397, 482, 3)
    assert np.array_equal(image, tifffile.imread(folder / 'image.tif')[..., :3])
    assert len(np.unique(read_label_map(folder / 'class2.tif'))) == 159 + 1
