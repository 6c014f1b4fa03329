"""Findings about label maps, on maps small enough to count by eye."""

import numpy as np
import pytest
from scipy import ndimage

from mmcellseg.data.check import LabelledCells, check_cells, check_overlaps, integer_ids
from mmcellseg.structures.masks import InstanceMasks


def cells(label_map, file='f.tif', category='class1'):
    return LabelledCells(file, category, *InstanceMasks.from_label_map(np.asarray(label_map)))


@pytest.mark.parametrize('dtype', [bool, np.uint8, np.uint64, np.int16, np.float32, np.float64])
def test_whole_ids_of_any_type_pass(dtype):
    values = np.array([[0, 1], [1, 0]], dtype)
    ids, findings = integer_ids(values, 'f', 'c')
    assert ids.dtype == np.int64
    assert ids.tolist() == [[0, 1], [1, 0]]
    assert findings == []


def test_values_that_are_no_id_become_background_and_are_named(rng):
    values = np.array([[0, 2, 1.5, 1.5], [-3, np.nan, np.inf, 2.0**63]])
    ids, findings = integer_ids(values, 'f.tif', 'class2')
    assert ids.tolist() == [[0, 2, 0, 0], [0, 0, 0, 0]]
    assert [(f.kind, f.id, f.text[:4], f.left_out) for f in findings] == [
        ('negative id', '-3', '1 px', 1),
        ('non-integer id', '1.5', '2 px', 1),
        ('non-integer id', 'inf', '1 px', 1),
        ('non-integer id', 'nan', '1 px', 1),
        ('id too large', '9223372036854775808', '1 px', 1),
    ]
    assert str(findings[1]).startswith('non-integer id: f.tif, class class2, id 1.5: 2 px hold this value')
    ids, (finding,) = integer_ids(np.array([[2**63 + 5, 3]], np.uint64), 'f', 'c')
    assert ids.tolist() == [[0, 3]]
    assert (finding.kind, finding.id) == ('id too large', '9223372036854775813')
    assert finding.text == '1 px hold this value, expected ids below 2⁶³'
    ids, (finding,) = integer_ids(rng.uniform(0.1, 0.9, (30, 30)), 'f', 'c')  # a resampled map
    assert not ids.any()
    assert (finding.kind, finding.left_out) == ('non-integer id', 900)
    assert finding.text.startswith('900 different values on 900 px')


def test_pieces_agree_with_labelling_the_whole_map_per_id(rng):
    """Diagonal neighbours are one piece, touching cells are apart."""
    label_map = rng.integers(0, 8, (25, 30))
    pieces = [ndimage.label(label_map == i, np.ones((3, 3)))[1] for i in range(1, 8)]
    seen = {f.id: f.text for f in check_cells(cells(label_map)) if f.kind == 'several pieces'}
    assert seen == {f'{i}': f'one id in {n} separate pieces' for i, n in enumerate(pieces, start=1)}
    assert not check_cells(cells(np.kron(np.eye(4, dtype=int), np.ones((3, 3), int))))


def test_overlaps_name_both_cells_and_the_px():
    first, second = np.zeros((8, 8), int), np.zeros((8, 8), int)
    first[:4, :4], first[5:, 5:] = 3, 6
    second[2:6, 2:6] = 11
    third = np.zeros((8, 8), int)
    findings = check_overlaps([cells(first, '1.tif', 'a'), cells(second, '2.tif', 'b'), cells(third, '3.tif', 'c')])
    assert [(f.file, f.category, f.id, f.text) for f in findings] == [
        ('1.tif', 'a', '3', '4 px are also of class b, id 11 (2.tif)'),
        ('1.tif', 'a', '6', '1 px are also of class b, id 11 (2.tif)'),
    ]
