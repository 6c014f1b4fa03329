"""Regions of TIFFs and slides that the tests write, against the array that was written."""

import cv2
import numpy as np
import pytest
import tifffile

from mmcellseg.data.tiff import ImageReadError
from mmcellseg.slides import regions
from mmcellseg.slides.regions import ArrayImage, TiffImage, VendorImage, open_image
from mmcellseg.slides.tiles import Grid
from mmcellseg.slides.tissue import tiles_without_tissue, tissue_mask

APERIO = 'Aperio Image Library v11.2.1\n640x512 [0,0 640x512] (64x64) JPEG/RGB Q=70|AppMag = 40|MPP = 0.2525|ID = 1'


@pytest.fixture
def picture(rng) -> np.ndarray:
    return cv2.resize(rng.integers(0, 256, (64, 80, 3), dtype=np.uint8), (640, 512), interpolation=cv2.INTER_CUBIC)


def half(image: np.ndarray, factor: int) -> np.ndarray:
    return cv2.resize(image, (640 // factor, 512 // factor), interpolation=cv2.INTER_AREA)


def write_pyramid(path, picture, subifds=True, **options):
    """Levels of 1, 1/2 and 1/4, as sub-images, or (SVS) page after page."""
    common = {'tile': (64, 64), 'photometric': 'rgb', 'compression': options.pop('compression', 'deflate')}
    with tifffile.TiffWriter(path, ome=options.pop('ome', None)) as file:
        file.write(picture, subifds=2 if subifds else None, **common, **options)
        for factor in (2, 4):
            file.write(half(picture, factor), subfiletype=1 if subifds else 0, **common, **({} if subifds else options))


def check_regions(image, picture):
    assert (image.height, image.width, image.slide) == (512, 640, True)
    for x0, y0, x1, y1 in ((0, 0, 640, 512), (3, 5, 4, 6), (100, 37, 333, 290), (600, 500, 640, 512)):
        np.testing.assert_array_equal(image.read((x0, y0, x1, y1)), picture[y0:y1, x0:x1])


def test_a_pyramid_is_read_by_regions_and_from_the_level_that_serves(tmp_path, picture):
    write_pyramid(tmp_path / 'a.tif', picture, resolution=(40000, 40000), resolutionunit='CENTIMETER')
    with open_image(tmp_path / 'a.tif') as image:
        assert isinstance(image, TiffImage)
        assert image.mpp == pytest.approx(0.25)
        assert [factor for factor, _ in image.levels] == [1, 2, 4]
        check_regions(image, picture)
        # Half and a quarter of the size are the levels themselves; a third is made of the level of a half.
        np.testing.assert_array_equal(image.read((128, 64, 384, 192), (64, 128)), half(picture, 2)[32:96, 64:192])
        np.testing.assert_array_equal(image.read((128, 64, 384, 192), (32, 64)), half(picture, 4)[16:48, 32:96])
        third = cv2.resize(half(picture, 2)[30:90, 30:120], (60, 40), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(image.read((60, 60, 240, 180), (40, 60)), third)
        assert np.abs(image.thumbnail(64, 80).astype(int) - half(picture, 8)).max() <= 2


def test_ome_of_rgb_and_of_three_planes(tmp_path, picture):
    write_pyramid(tmp_path / 'a.ome.tif', picture, ome=True, metadata={'PhysicalSizeX': 500, 'PhysicalSizeXUnit': 'nm'})
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    metadata = {'axes': 'CYX', 'PhysicalSizeX': 0.3, 'PhysicalSizeXUnit': 'µm'}
    tifffile.imwrite(tmp_path / 'b.ome.tif', planes, photometric='minisblack', tile=(64, 64), metadata=metadata)
    for name, mpp in (('a', 0.5), ('b', 0.3)):
        with open_image(tmp_path / f'{name}.ome.tif') as image:
            assert image.mpp == pytest.approx(mpp)
            check_regions(image, picture)


@pytest.mark.parametrize('reader', ['tifffile', 'tiffslide'])
def test_a_slide_of_a_vendor(tmp_path, picture, reader, monkeypatch):
    if reader == 'tiffslide':
        pytest.importorskip('tiffslide')
    else:
        monkeypatch.setattr(regions, 'find_spec', lambda name: None)
    write_pyramid(tmp_path / 'a.svs', picture, subifds=False, description=APERIO, metadata=None)
    with open_image(tmp_path / 'a.svs') as image:
        assert isinstance(image, VendorImage if reader == 'tiffslide' else TiffImage)
        assert image.mpp == pytest.approx(0.2525)
        check_regions(image, picture)
        np.testing.assert_array_equal(image.read((128, 64, 384, 192), (64, 128)), half(picture, 2)[32:96, 64:192])


@pytest.mark.parametrize('options', [{'tile': (64, 64)}, {'rowsperstrip': 16}, {'tile': (64, 64), 'planarconfig': 2}])
def test_large_tiffs_without_levels_are_read_by_regions(tmp_path, picture, monkeypatch, options):
    monkeypatch.setattr(regions, '_LARGE', 1000)
    data = picture.transpose(2, 0, 1) if 'planarconfig' in options else picture
    tifffile.imwrite(tmp_path / 'a.tif', data, photometric='rgb', **options)
    with open_image(tmp_path / 'a.tif') as image:
        assert isinstance(image, TiffImage)
        check_regions(image, picture)


def test_samples_of_16_bits_take_the_same_rule_as_the_whole_image(tmp_path, picture, monkeypatch):
    monkeypatch.setattr(regions, '_LARGE', 1000)
    tifffile.imwrite(tmp_path / 'a.tif', picture[..., 0].astype(np.uint16) * 257, tile=(64, 64))
    with open_image(tmp_path / 'a.tif') as image:
        np.testing.assert_array_equal(image.read((0, 0, 640, 512)), np.repeat(picture[..., :1], 3, axis=2))
    with pytest.raises(ImageReadError, match=r"a\.tif.*scale='percentile'.*set scale=\(low, high\)"):
        open_image(tmp_path / 'a.tif', scale='percentile')


def test_plain_images_are_read_whole_and_one_strip_too(tmp_path, picture, monkeypatch):
    cv2.imwrite(str(tmp_path / 'a.png'), picture[..., ::-1])
    tifffile.imwrite(tmp_path / 'a.tif', picture, rowsperstrip=512, photometric='rgb')
    monkeypatch.setattr(regions, '_LARGE', 1000)
    monkeypatch.setattr(regions, '_SEGMENT', 1000)
    for name in ('a.png', 'a.tif'):
        image = open_image(tmp_path / name)
        assert (type(image), image.slide, image.mpp) == (ArrayImage, False, None)
        np.testing.assert_array_equal(image.read((5, 6, 100, 80)), picture[6:80, 5:100])


@pytest.mark.parametrize(
    ('options', 'mpp'),
    [
        ({'resolution': (72, 72), 'resolutionunit': 'INCH'}, None),  # a screen's
        ({'resolution': (101600, 101600), 'resolutionunit': 'INCH'}, 0.25),
        ({'resolution': (4000, 4000), 'resolutionunit': 'MILLIMETER'}, 0.25),
        ({'resolution': (4, 4), 'resolutionunit': 'NONE'}, None),
        ({'resolution': (2, 2), 'imagej': True, 'metadata': {'unit': 'um'}}, 0.5),
    ],
)
def test_resolution_tags(tmp_path, picture, options, mpp):
    tifffile.imwrite(tmp_path / 'a.tif', picture[..., 0], photometric='minisblack', **options)
    assert open_image(tmp_path / 'a.tif').mpp == (mpp and pytest.approx(mpp))


def test_damage_is_named(tmp_path, picture):
    path = tmp_path / 'a.tif'
    write_pyramid(path, picture)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ImageReadError, match=r'a\.tif .*(truncated|damaged)'):
        open_image(path)
    with tifffile.TiffFile(tmp_path / 'b.tif' if path.write_bytes(content) == 0 else path) as file:
        offset, count = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    path.write_bytes(content[:offset] + bytes(count) + content[offset + count :])
    with open_image(path) as image, pytest.raises(ImageReadError, match=r'a\.tif cannot be decoded'):
        image.read((0, 0, 64, 64))
    (tmp_path / 'c.ome.tif').write_bytes(b'')
    with pytest.raises(ImageReadError, match=r'c\.ome\.tif is truncated'):
        open_image(tmp_path / 'c.ome.tif')
    five = np.zeros((5, 64, 64), np.uint8)
    tifffile.imwrite(tmp_path / 'd.ome.tif', five, metadata={'axes': 'CYX'}, photometric='minisblack')
    with open_image(tmp_path / 'd.ome.tif') as image, pytest.raises(ImageReadError, match=r'd\.ome\.tif holds shape'):
        image.read((0, 0, 64, 64))


def test_tiles_without_data_are_white(tmp_path, monkeypatch):
    monkeypatch.setattr(regions, '_LARGE', 1000)
    tiles = (bytes([90]) * 64 * 64 * 3 if k == 1 else b'' for k in range(4))
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        file.write(tiles, shape=(128, 128, 3), dtype=np.uint8, tile=(64, 64), photometric='rgb')
    with open_image(tmp_path / 'a.tif') as image:
        assert np.unique(image.read((64, 0, 128, 64))).tolist() == [90]
        assert np.unique(image.read((0, 0, 64, 128))).tolist() == [255]


def test_an_array_must_be_rgb(picture):
    with pytest.raises(ValueError, match=r'expected RGB uint8 \(H, W, 3\), found float64'):
        ArrayImage(picture / 255)


def test_tissue_is_what_is_coloured_or_dark(rng):
    glass = rng.integers(225, 240, (100, 100, 1)) + rng.integers(-3, 4, (100, 100, 3))
    slide = glass.astype(np.uint8)
    slide[20:40, 30:60] = (200, 150, 190)
    slide[70:80, 10:20] = 40
    mask = tissue_mask(slide)
    assert mask[20:40, 30:60].all()
    assert mask[70:80, 10:20].all()
    assert mask.sum() == 20 * 30 + 100
    # A slide that is all tissue, pale and dark, stays whole: Otsu's threshold alone would part it.
    whole = np.full((50, 50, 3), (225, 190, 215), np.uint8)
    whole[:, 25:] = (140, 60, 130)
    assert tissue_mask(whole).all()
    image = ArrayImage(np.repeat(np.repeat(slide, 4, 0), 4, 1))
    skipped = tiles_without_tissue(image, Grid.cover(400, 400, 100, 20))
    # Rows and columns at 0, 80, 160, 240 and 320: the coloured part spans x 120 to 240 and y 80 to 160.
    assert (~skipped).reshape(5, 5).astype(int).tolist() == [
        [0, 1, 1, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
