"""Zips of many files: equal to what zipfile writes, also beyond 65,535 files and 4 GiB."""

import io
import zipfile

import numpy as np
import pytest
import roifile
from random_masks import CLASSES

from mmcellseg.export import stored_zip
from mmcellseg.export.cells import Cells
from mmcellseg.export.imagej_roi import ImagejRoiWriter
from mmcellseg.export.stored_zip import StoredZip
from mmcellseg.structures.masks import InstanceMasks

FILES = [(f'{k:03d}.roi', bytes([k]) * (7 * k)) for k in range(12)]  # the first is empty


def write_ours(file, batches=3):
    archive = StoredZip(file)
    for k in range(batches):
        archive.write(FILES[k * len(FILES) // batches : (k + 1) * len(FILES) // batches])
    archive.close()


def write_theirs(file):
    with zipfile.ZipFile(file, 'w') as archive:
        for name, content in FILES:
            archive.writestr(zipfile.ZipInfo(name), content)


@pytest.mark.parametrize('batches', [1, 5, 20])
def test_the_bytes_are_those_of_zipfile(batches):
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_ours(ours, batches)
    write_theirs(theirs)
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize('limit', [11, 12])
def test_more_files_than_16_bits_count_take_the_64_bit_records(limit, monkeypatch):
    monkeypatch.setattr(stored_zip, '_MOST_FILES', limit)
    monkeypatch.setattr(zipfile, 'ZIP_FILECOUNT_LIMIT', limit)
    test_the_bytes_are_those_of_zipfile(3)


@pytest.mark.parametrize('start', [(1 << 31) - 300, (1 << 32) - 300, 5 << 30])  # a hole, which takes no disk
def test_offsets_beyond_2_and_4_gib(start, tmp_path):
    tails = []
    for name, write in (('ours', write_ours), ('theirs', write_theirs)):
        with (tmp_path / name).open('wb') as file:
            file.seek(start)
            write(file)
        with (tmp_path / name).open('rb') as file:
            file.seek(start)
            tails.append(file.read())
    assert tails[0] == tails[1]
    with zipfile.ZipFile(tmp_path / 'ours') as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == FILES


def test_more_rois_than_16_bits_count(tmp_path):
    number = 65_536
    y, x = np.divmod(np.arange(number), 256)
    boxes = np.stack([x, y, x + 1, y + 1], axis=1)
    masks = InstanceMasks(256, 256, boxes, np.arange(number + 1), np.ones(number))
    cells = Cells(boxes.astype(float), np.full(number, 0.5), np.full(number, 3), masks, CLASSES)
    with ImagejRoiWriter(tmp_path / 'a.rois.zip', 256, 256, CLASSES) as writer:
        for part in np.array_split(np.arange(number), 3):
            writer.write(cells[part])
    with zipfile.ZipFile(tmp_path / 'a.rois.zip') as archive:
        assert archive.namelist() == [f'{k:07d}.roi' for k in range(1, number + 1)]
    found = roifile.roiread(tmp_path / 'a.rois.zip')  # reads each through zipfile, which checks its sum
    assert [(roi.left, roi.top, roi.right, roi.bottom) for roi in found] == list(map(tuple, boxes.tolist()))
    assert found[-1].name == f'{number:07d} Tumour "x" 0.500'
