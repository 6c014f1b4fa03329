"""LoadTiffImage: what it puts into the results, and that a TIFF and a PNG give the same tensor."""

import cv2
import numpy as np
import pytest
import tifffile
from mmdet.registry import TRANSFORMS

import mmcellseg.components  # noqa: F401 (registers)
from mmcellseg.components.transforms.load_tiff_image import LoadTiffImage
from mmcellseg.data.tiff import ImageReadError


def load(path, **options) -> dict:
    return LoadTiffImage(**options)({'img_path': str(path)})


def test_keys_and_channel_order(tmp_path, rng):
    rgb = rng.integers(0, 256, (20, 31, 3), dtype=np.uint8)
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, rgb, photometric='rgb')
    results = load(path)
    assert np.array_equal(results['img'], rgb[..., ::-1])
    assert np.array_equal(results['img'], cv2.imread(str(path)))  # what stock pipelines get from a plain TIFF
    assert results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (20, 31)
    assert results['scale_factor'] == (1.0, 1.0)
    assert np.array_equal(load(path, channel_order='rgb')['img'], rgb)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_tiff_and_png_give_the_same_tensor(tmp_path, rng, dtype):
    bgr = rng.integers(0, np.iinfo(dtype).max, (20, 31, 3), dtype=dtype)
    cv2.imwrite(str(tmp_path / 'a.png'), bgr)
    tifffile.imwrite(tmp_path / 'a.tif', bgr[..., ::-1], photometric='rgb', compression='lzw')
    pipeline = [
        {'type': 'LoadTiffImage'},
        {'type': 'PackDetInputs', 'meta_keys': ('img_path', 'ori_shape', 'img_shape', 'scale_factor')},
    ]
    tensors = []
    for name in ('a.tif', 'a.png'):
        results = {'img_path': str(tmp_path / name)}
        for step in pipeline:
            results = TRANSFORMS.build(step)(results)
        tensors.append(results['inputs'])
    assert tensors[0].shape == (3, 20, 31)
    assert tensors[0].equal(tensors[1])


def test_options(tmp_path):
    stack = np.stack([np.zeros((4, 5), np.float32), np.full((4, 5), 50, np.float32)])
    tifffile.imwrite(tmp_path / 'a.tif', stack, photometric='minisblack')
    assert (load(tmp_path / 'a.tif', page=1, scale=(0, 100))['img'] == 128).all()
    with pytest.raises(ImageReadError, match=r'a\.tif holds .* 50 .*set scale'):
        load(tmp_path / 'a.tif', page=1)
    with pytest.raises(ValueError, match="channel_order must be 'bgr' or 'rgb', but is 'BGR'"):
        LoadTiffImage(channel_order='BGR')
    with pytest.raises(ValueError, match='scale must be'):
        LoadTiffImage(scale='auto')


def test_a_path_or_an_image_in_place_of_the_dict(tmp_path, rng):
    rgb = rng.integers(0, 256, (20, 31, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / 'a.tif', rgb, photometric='rgb')
    of_dict, step = load(tmp_path / 'a.tif'), LoadTiffImage()
    for results in (step(tmp_path / 'a.tif'), step(rgb[..., ::-1]), step({'img': rgb[..., ::-1], 'img_id': 3})):
        assert np.array_equal(results['img'], of_dict['img'])
        assert results['ori_shape'] == (20, 31)
        assert results['scale_factor'] == (1.0, 1.0)
    assert results['img_id'] == 3
    with pytest.raises(
        ImageReadError, match=r'found an array of uint16 \(4, 5\), expected uint8 \(H, W, 3\) .* order bgr'
    ):
        step(np.zeros((4, 5), np.uint16))
