"""From folders to json: exact counts, byte-equal masks, the same result from any number of workers."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pycocotools import mask as mask_utils
from tiff_files import rewrite, save

from mmcellseg.data.convert import read_dataset, write_conversion, write_findings


def disc(label_map, y, x, radius, value):
    rows, columns = np.ogrid[: label_map.shape[0], : label_map.shape[1]]
    label_map[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = value


def write_folder(source, name, seed=0, shape=(40, 50), **class_maps):
    folder = source / 'train' / name
    folder.mkdir(parents=True)
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 4), np.uint8)
    tifffile.imwrite(folder / 'image.tif', image, photometric='rgb', extrasamples=['unassalpha'])
    for class_name, label_map in class_maps.items():
        tifffile.imwrite(folder / f'{class_name}.tif', label_map)
    return folder


def write_test_image(source, name, shape=(33, 35), seed=100):
    (source / 'test_release').mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    tifffile.imwrite(source / 'test_release' / name, pixels, photometric='rgb')


@pytest.fixture
def source(tmp_path):
    """Two training images (3 cells of class 1 and 1 of class 3; 2 of class 2) and a test image with its id."""
    first = np.zeros((40, 50))
    for value, (y, x) in zip((3, 7, 20), ((8, 8), (8, 19), (30, 30))):
        disc(first, y, x, 5, value)
    third, second = np.zeros((40, 50)), np.zeros((60, 45))
    disc(third, 30, 10, 6, 5)
    disc(second, 20, 20, 4, 2)
    disc(second, 59, 44, 6, 9)  # reaches the last pixel
    root = tmp_path / 'cells'
    write_folder(root, 'b', seed=1, shape=(60, 45), class2=second)
    write_folder(root, 'a', class1=first, class3=third)
    write_test_image(root, 'x.tif')
    ids = [{'file_name': 'x.tif', 'id': 17, 'height': 33, 'width': 35}]
    (root / 'test_image_name_to_ids.json').write_text(json.dumps(ids))
    return root


def kinds(conversion):
    return sorted(finding.kind for finding in conversion.findings)


def counts(conversion):
    labels = [a['category_id'] for a in conversion.train['annotations']]
    return [labels.count(number) for number in range(1, 5)]


def test_images_follow_their_names_and_annotations_images_classes_and_ids(source):
    conversion = read_dataset(source)
    assert conversion.findings == []
    assert conversion.train['images'] == [
        {'id': 1, 'file_name': 'train/a/image.tif', 'height': 40, 'width': 50},
        {'id': 2, 'file_name': 'train/b/image.tif', 'height': 60, 'width': 45},
    ]
    annotations = conversion.train['annotations']
    assert [a['id'] for a in annotations] == [1, 2, 3, 4, 5, 6]
    assert [a['image_id'] for a in annotations] == [1, 1, 1, 1, 2, 2]
    assert [a['category_id'] for a in annotations] == [1, 1, 1, 3, 2, 2]
    assert annotations[0]['bbox'] == [3, 3, 11, 11]
    assert [c['name'] for c in conversion.train['categories']] == ['class1', 'class2', 'class3', 'class4']
    assert conversion.test['images'] == [{'file_name': 'test_release/x.tif', 'id': 17, 'height': 33, 'width': 35}]
    assert (
        'kept: 2 training images with 6 cells (class1 3, class2 2, class3 1, class4 0), 1 test' in conversion.summary()
    )


def test_each_annotation_is_pycocotools_of_its_mask(source):
    annotations = read_dataset(source).train['annotations']
    maps = [('a', 1), ('a', 3), ('b', 2)]
    slow = []
    for name, number in maps:
        label_map = tifffile.imread(source / 'train' / name / f'class{number}.tif')
        for value in np.unique(label_map[label_map > 0]):
            rle = mask_utils.encode(np.asfortranarray(label_map == value, dtype=np.uint8))
            segmentation = {'size': rle['size'], 'counts': rle['counts'].decode()}
            slow.append((segmentation, int(mask_utils.area(rle)), mask_utils.toBbox(rle).tolist()))
    assert [(a['segmentation'], a['area'], a['bbox']) for a in annotations] == slow


def test_the_files_are_the_same_from_any_number_of_workers(source, tmp_path):
    for workers in (1, 3):
        conversion = read_dataset(source, workers=workers)
        write_conversion(conversion, tmp_path / str(workers))
        write_findings(conversion.findings, tmp_path / str(workers))
    for name in ('train.json', 'test.json', 'findings.tsv'):
        one, three = (tmp_path / str(n) / 'annotations' / name for n in (1, 3))
        assert one.read_bytes() == three.read_bytes()


def test_the_id_file_alone_makes_test_json_and_without_it_there_is_none(source, tmp_path):
    ids = source / 'test_image_name_to_ids.json'
    ids.rename(tmp_path / 'elsewhere.json')
    conversion = read_dataset(source)
    assert conversion.test is None
    assert kinds(conversion) == ['test images without ids']
    assert 'no test.json was made' in conversion.summary()
    assert [path.name for path in write_conversion(conversion, tmp_path)] == ['train.json']
    (source / 'test_release' / 'x.tif').unlink()
    conversion = read_dataset(source, ids_file=tmp_path / 'elsewhere.json')
    assert [image['id'] for image in conversion.test['images']] == [17]
    assert 'note: no images in' in conversion.summary()
    assert conversion.findings == []


def test_test_images_are_held_against_the_id_file(source):
    ids = [
        {'file_name': 'x.tif', 'id': 17, 'height': 35, 'width': 33},
        {'file_name': 'gone.tif', 'id': 18, 'height': 3, 'width': 4},
    ]
    (source / 'test_image_name_to_ids.json').write_text(json.dumps(ids))
    write_test_image(source, 'stray.tif', seed=7)
    conversion = read_dataset(source)
    assert kinds(conversion) == ['missing test image', 'test image size', 'unknown file']
    assert len(conversion.test['images']) == 2
    assert any('33 × 35 px (height × width), the id file says 35 × 33' in f.text for f in conversion.findings)


def test_a_mask_of_another_shape_is_left_out_and_broken_ids_go_alone(source):
    path = source / 'train' / 'b' / 'class2.tif'
    tifffile.imwrite(path, tifffile.imread(path).T)
    path = source / 'train' / 'a' / 'class1.tif'
    label_map = tifffile.imread(path)
    label_map[label_map == 7] = 7.5
    label_map[label_map == 20] = -2
    tifffile.imwrite(path, label_map)
    conversion = read_dataset(source)
    assert [finding[:4] for finding in conversion.findings] == [
        ('negative id', 'train/a/class1.tif', 'class1', '-2'),
        ('non-integer id', 'train/a/class1.tif', 'class1', '7.5'),
        ('shape', 'train/b/class2.tif', 'class2', ''),
    ]
    assert '45 × 60 px (height × width), its image 60 × 45 px' in conversion.findings[2].text
    assert [finding.left_out for finding in conversion.findings] == [1, 1, 2]
    assert counts(conversion) == [1, 0, 1, 0]
    assert 'left out: 0 training images, 1 class files of others, 4 cells' in conversion.summary()


def test_a_folder_without_a_usable_image_is_left_out_with_its_cells(source):
    path = source / 'train' / 'a' / 'image.tif'
    content = path.read_bytes()
    for kind in ('no image', 'unreadable image'):
        path.unlink(missing_ok=True)
        if kind == 'unreadable image':
            path.write_bytes(content[: len(content) // 2])
        conversion = read_dataset(source)
        (finding,) = conversion.findings
        assert (finding.kind, finding.file, finding.left_out) == (kind, 'train/a/image.tif', 4)
        assert [image['file_name'] for image in conversion.train['images']] == ['train/b/image.tif']
        assert [a['image_id'] for a in conversion.train['annotations']] == [1, 1]
        assert 'left out: 1 training images, 0 class files of others, 4 cells' in conversion.summary()


def test_oddities_are_named_and_kept(source):
    write_folder(source, 'c', seed=1, shape=(60, 45))  # the same pixels as b, and no class
    overlapping = np.zeros((40, 50), np.uint16)
    overlapping[30:32, 10:13] = 4
    tifffile.imwrite(source / 'train' / 'a' / 'class4.tif', overlapping)
    tifffile.imwrite(source / 'train' / 'a' / 'class2.tif', np.zeros((40, 50)))
    tifffile.imwrite(source / 'train' / 'a' / 'class5.tif', overlapping)
    (source / 'train' / 'notes.txt').write_text('')
    (source / 'train2').mkdir()
    conversion = read_dataset(source)
    assert {(f.kind, f.file, f.category, f.id) for f in conversion.findings} == {
        ('duplicate image', 'train/c/image.tif', '', ''),
        ('no class', 'train/c/image.tif', '', ''),
        ('few px', 'train/a/class4.tif', 'class4', '4'),
        ('overlap', 'train/a/class3.tif', 'class3', '5'),
        ('empty mask', 'train/a/class2.tif', 'class2', ''),
        ('unknown file', 'train/a/class5.tif', '', ''),
        ('unknown file', 'train/notes.txt', '', ''),
        ('unknown file', 'train2', '', ''),
    }
    assert sum(f.left_out for f in conversion.findings) == 0
    assert len(conversion.train['annotations']) == 7
    assert len(conversion.train['images']) == 3


def test_a_test_image_among_the_training_images_unreadable_masks_and_float_images(source):
    rgba = tifffile.imread(source / 'train' / 'a' / 'image.tif')
    tifffile.imwrite(source / 'test_release' / 'x.tif', rgba[..., :3], photometric='rgb')  # in any colour model
    ids = [{'file_name': 'x.tif', 'id': 17, 'height': 40, 'width': 50}]
    (source / 'test_image_name_to_ids.json').write_text(json.dumps(ids))
    (source / 'train' / 'a' / 'class1.tif').write_bytes(b'II*\0nothing')
    tifffile.imwrite(source / 'train' / 'a' / 'class3.tif', np.zeros((40, 50, 3), np.uint8), photometric='rgb')
    tifffile.imwrite(source / 'train' / 'b' / 'image.tif', np.linspace(0, 900, 60 * 45).reshape(60, 45))
    conversion = read_dataset(source)
    assert kinds(conversion) == ['duplicate image', 'image needs a scale rule', 'unreadable mask', 'unreadable mask']
    assert conversion.findings[-1][:2] == ('duplicate image', 'test_release/x.tif')
    assert conversion.findings[-1].text == 'the same pixels as train/a/image.tif'
    assert len(conversion.train['images']) == 2
    assert 'besides those of unreadable files' in conversion.summary()


def test_a_class_without_a_name_is_named_and_a_folder_of_test_images_is_no_unknown_file(source):
    (source / 'test_release' / 'x').mkdir()
    (source / 'test_release' / 'x.tif').rename(source / 'test_release' / 'x' / 'image.tif')
    ids = [{'file_name': 'x/image.tif', 'id': 17, 'height': 33, 'width': 35}]
    (source / 'test_image_name_to_ids.json').write_text(json.dumps(ids))
    (nameless,) = read_dataset(source, ['class1', 'class2']).findings
    assert nameless.file == 'train/a/class3.tif'
    assert nameless.text.endswith('its cells would be trained as background: name all classes with --classes')


def test_a_palette_is_read_and_further_pages_and_twelve_bits_are_named(source):
    labels = np.zeros((40, 50), np.uint8)
    disc(labels, 20, 20, 6, 200)
    folder = source / 'train' / 'a'
    palette = np.arange(768, dtype=np.uint16).reshape(3, 256)
    tifffile.imwrite(folder / 'class2.tif', labels, photometric='palette', colormap=palette)
    tifffile.imwrite(folder / 'class4.tif', np.stack([labels, labels]), photometric='minisblack')
    save(source / 'test_release' / 'x.tif', np.full((3, 33, 35), 9, np.uint8), photometric='minisblack')
    twelve_bits = np.random.default_rng(0).integers(100, 4095, (60, 45, 3), np.uint16)
    tifffile.imwrite(source / 'train' / 'b' / 'image.tif', twelve_bits, photometric='rgb')
    conversion = read_dataset(source)
    assert counts(conversion) == [3, 3, 1, 1]
    pages, dark, channels = [finding for finding in conversion.findings if finding.kind != 'overlap']
    assert dark[:2] == ('dark image', 'train/b/image.tif')
    assert dark.text.startswith(f'uint16 with values up to {twelve_bits.max()}, of which 16 of 255 would be left')
    assert pages[:3] == ('several pages', 'train/a/class4.tif', 'class4')
    assert '2 pages, of which only the first is read' in pages.text
    assert channels[:2] == ('several pages', 'test_release/x.tif')
    assert channels.text.startswith('3 pages, of which LoadTiffImage reads the first')


@pytest.fixture
def convert(call_tool):
    return functools.partial(call_tool, 'dataset_converters/cells2coco.py')


def test_the_tool_writes_the_jsons_and_the_holdout(source, convert):
    assert 'findings: none' in convert(source, source, '--holdout', 0.5, '--workers', 2).out
    names = {path.name for path in (source / 'annotations').iterdir()}
    assert names == {'train.json', 'test.json', 'train_holdout.json', 'val_holdout.json', 'findings.tsv'}
    shutil.rmtree(source / 'annotations')
    (source / 'train' / 'a' / 'thumbs.db').write_text('')
    found = convert(source, source, '--strict', '--workers', 1, code=1).out
    assert 'unknown file: train/a/thumbs.db' in found
    assert [path.name for path in (source / 'annotations').iterdir()] == ['findings.tsv']


def test_the_tool_says_what_it_cannot_write_or_split(source, convert):
    assert '--holdout must lie between 0 and 1' in convert(source, source, '--holdout', 2, code=1).err
    (source / 'taken').write_text('a file')
    assert 'taken' in convert(source, source / 'taken', '--workers', 1, code=1).err
    shutil.rmtree(source / 'train' / 'b')
    message = convert(source, source / 'out', '--holdout', 0.5, '--workers', 1, code=1).err
    assert 'cells: a hold-out split needs two images, there are 1; nothing was written' in message
    assert not list((source / 'out').rglob('train.json'))
    (source / 'train' / 'a' / 'image.tif').unlink()
    message = convert(source, source / 'out', '--workers', 1, code=1).err
    assert 'cells: not one training image can be used (see above); no json was written' in message


def test_sources_that_are_none(tmp_path, convert):
    assert 'found no train/' in convert(tmp_path, tmp_path, code=1).err
    (tmp_path / 'train').mkdir()
    with pytest.raises(FileNotFoundError, match='expected folders with image.tif'):
        read_dataset(tmp_path)
    with pytest.raises(ValueError, match=r"must be given and differ from each other, got \['a', 'a'\]"):
        read_dataset(tmp_path, ['a', 'a'])


def test_no_bad_file_ends_a_conversion(source):
    one_cell = np.zeros((40, 50))
    disc(one_cell, 8, 8, 5, 4)
    size = {'ImageWidth': 60_000, 'ImageLength': 60_000, 'RowsPerStrip': 60_000}
    for number, name in enumerate(('huge', 'flat', 'pipe', 'strips', 'other pages'), start=2):
        write_folder(source, name, seed=number, class1=one_cell, class2=one_cell)
    train = source / 'train'
    rewrite(save(train / 'huge/class1.tif', one_cell, compression='deflate'), **size)
    rewrite(train / 'flat/class1.tif', ImageWidth=0)
    (train / 'pipe/class1.tif').unlink()
    os.mkfifo(train / 'pipe/class1.tif')
    rewrite(save(train / 'strips/class1.tif', one_cell, rowsperstrip=10), StripByteCounts=[0, 4000, 4000, 4000])
    other = train / 'other pages/image.tif'
    with tifffile.TiffFile(other) as tiff:
        at = tiff.pages[0].offset + 2 + 12 * len(tiff.pages[0].tags)
    data = bytearray(other.read_bytes())
    data[at : at + 4] = b'\xff\xff\xff\x7f'  # a second page that lies beyond the file
    other.write_bytes(data)
    foreign = os.path.join(os.fsencode(train), b'caf\xe9')
    os.mkdir(foreign)
    with open(os.path.join(foreign, b'image.tif'), 'wb') as file:
        file.write(b'no image')
    conversion = read_dataset(source, workers=2)
    found = {Path(f.file).parent.name: f for f in conversion.findings if f.kind == 'unreadable mask'}
    assert 'takes 28800000000' in found['huge'].text  # 60,000 × 60,000 × 8
    assert 'cannot be decoded' in found['flat'].text
    assert 'is a pipe, socket or device' in found['pipe'].text
    assert '1 of its 4 strips have no data, the first of them strip 1' in found['strips'].text
    names = {image['file_name'].split('/')[1]: image['id'] for image in conversion.train['images']}
    assert {*found, 'a', 'b'} <= set(names)
    kept = [(a['image_id'], a['category_id']) for a in conversion.train['annotations']]
    assert [kept.count((names[name], 2)) for name in found] == [1, 1, 1, 1]
    assert [kept.count((names[name], 1)) for name in found] == [0, 0, 0, 0]
    (unreadable,) = (f for f in conversion.findings if f.kind == 'unreadable image' and 'caf' in f.file)
    assert str(unreadable).startswith('unreadable image: train/caf\\xe9/image.tif: ')
    assert 'train/caf\\xe9/image.tif\t' in write_findings(conversion.findings, source).read_text()


def test_what_does_not_fit_into_memory_or_may_not_be_listed_is_a_finding(source, monkeypatch):
    def full(path):
        raise MemoryError

    def closed(path, listdir=os.listdir):
        if path == source / 'train' / 'a':
            raise PermissionError(13, 'Permission denied', str(path))
        return listdir(path)

    monkeypatch.setattr('mmcellseg.data.read_folder.read_numbers', full)
    monkeypatch.setattr(os, 'listdir', closed)
    conversion = read_dataset(source, workers=1)
    assert [(f.kind, f.file) for f in conversion.findings] == [
        ('unreadable image', 'train/a'),
        ('unreadable mask', 'train/b/class2.tif'),
    ]
    assert 'Permission denied' in conversion.findings[0].text
    assert conversion.findings[1].text.startswith('it does not fit into memory; its cells are left out')


def test_a_process_that_dies_is_said(source, convert, monkeypatch):
    monkeypatch.setattr('mmcellseg.data.read_folder.page_count', lambda path: os.kill(os.getpid(), signal.SIGKILL))
    message = convert(source, source, '--workers', 2, code=1).err
    assert 'one of 2 processes was killed, often because memory ran out' in message
    assert not (source / 'annotations').exists()


def test_the_real_sample(hw3_sample_dir):
    conversion = read_dataset(hw3_sample_dir)
    assert counts(conversion) == [2, 159, 0, 0]
    assert len(conversion.test['images']) == 101


def test_consep_in_the_real_layout(consep_dir, tmp_path):
    layout = [sys.executable, consep_dir / 'make_hw3_layout.py', tmp_path / 'consep', '--uncompressed']
    subprocess.run(layout, check=True)
    names = ['other', 'inflammatory', 'epithelial', 'spindle']
    conversion = read_dataset(tmp_path / 'consep', names, workers=2)
    shutil.rmtree(tmp_path / 'consep')  # 1 GB that pytest would keep
    assert counts(conversion) == [371, 3941, 5537, 5706]
    assert len(conversion.train['images']) == 27
    assert len(conversion.test['images']) == 14
