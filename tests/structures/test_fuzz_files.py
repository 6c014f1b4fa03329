"""Damaged predictions files, COCO jsons and zips: each is read rightly, as pycocotools reads it, or refused by name.

``MMCELLSEG_FUZZ=20000 pytest tests/structures/test_fuzz_files.py`` damages as many files of each kind.
"""

import contextlib
import io
import json
import os
import zipfile
from collections import Counter

import numpy as np
import pytest
from drawn_cells import as_predictions, predictions, random_case, rectangle
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmcellseg.ensemble.detections import Detections
from mmcellseg.ensemble.members import Member, open_members, read_checked, read_image_set
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.export.submission import RESULTS_NAME, validate_submission, write_submission
from mmcellseg.structures.coco import read_coco, read_listed
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.structures.results import read_results, write_results

FILES = int(os.environ.get('MMCELLSEG_FUZZ', '250'))
VALUES = [
    *(None, True, False, -1, 0, 1, 2, 0.5, 1.5, -0.0, 1e-320, 1e308, float('nan'), float('inf'), -float('inf')),
    *(2**31, 2**32 + 1, 2**63 - 1, 2**63, 10**30, -(10**400), 3.0, '', '1', '€', '\ud800', '0', 'x' * 3000, [], {}),
    *([[]], [1], [0, 0, 5, 5], [1, 2, 3, float('nan')], [float('inf'), 1], {'size': [4, 4], 'counts': '`0'}),
    {'size': [96, 80], 'counts': [0, 7680]},
]
KEYS = [
    *('image_id', 'category_id', 'score', 'bbox', 'segmentation', 'size', 'counts'),
    *('id', 'caption', 'area', 'iscrowd'),
]


def places(value, at=()):
    """The paths of all values inside a value."""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield from places(child, (*at, key))


def change_value(content, rng: np.random.Generator):
    """One value exchanged, left out, doubled or nested."""
    paths = [path for path in places(content) if path]
    path = paths[rng.integers(len(paths))]
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    key, action = path[-1], rng.integers(7)
    value = parent[key]
    if action == 0:
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent.insert(int(rng.integers(len(parent) + 1)), value)
    elif action == 2 and isinstance(parent, dict):
        parent[str(rng.choice(KEYS))] = parent.pop(key)
    elif action == 3 and isinstance(value, str) and value:
        i = value.index('?') if '?' in value else int(rng.integers(len(value)))
        parent[key] = value[:i] + str(rng.choice(['€', '`', 'o', 'P', '0', '~', ' ', '\x00', ''])) + value[i + 1 :]
    elif action == 4:
        for _ in range(int(rng.choice([1, 5, 900]))):
            parent[key] = [parent[key]]
    elif action == 5 and isinstance(value, int):
        parent[key] = float(value)
    elif action == 5 and isinstance(value, list) and isinstance(value[0], int):
        parent[key] = [float(number) for number in value]
    else:
        parent[key] = VALUES[rng.integers(len(VALUES))]


def change_nothing(content, rng: np.random.Generator):
    """Things that files may have: keys of their own, another order, whole numbers."""
    if isinstance(content, list):
        rng.shuffle(content)
    for entry in content if isinstance(content, list) else content['annotations']:
        if rng.random() < 0.2:
            entry[str(rng.choice(['note', 'Score', 'area', 'iscrowd']))] = rng.choice([0, 1]).item()
        if 'score' in entry and rng.random() < 0.2:
            entry['score'] = rng.choice([0, 1, 1e-320, 0.123456789012345678, True]).item()
        if rng.random() < 0.2:
            entry |= dict(sorted(entry.items()))


def change_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes exchanged, left out, doubled, cut off or put in."""
    at, other, length = *rng.integers(len(data), size=2).tolist(), int(rng.choice([1, 1, 2, 8, 200]))
    before, piece, after = data[:at], data[at : at + length], data[at + length :]
    flipped = bytes(byte ^ (1 << int(rng.integers(8))) for byte in piece[:2]) + piece[2:]
    pieces = (b'', piece * int(rng.choice([2, 3, 50])), rng.bytes(length) + piece, data[other : other + length])
    action = rng.integers(7)
    return before if action == 6 else before + (*pieces, flipped, flipped)[action] + after


def damaged_json(content, rng: np.random.Generator) -> bytes:
    """The text of a json with damage in its values, its text or its encoding."""
    content, way = json.loads(json.dumps(content)), rng.integers(15)
    if way < 6:
        change_value(content, rng)
    elif way > 11:
        change_nothing(content, rng)
    text = json.dumps(content, ensure_ascii=bool(rng.integers(2)))
    if isinstance(content, list) and rng.integers(2):  # as write_results lays it out
        text = '[\n' + ',\n'.join(json.dumps(entry) for entry in content) + '\n]\n'
    if way == 6:
        return text.encode(str(rng.choice(['utf-8-sig', 'utf-16', 'utf-16-be', 'utf-32'])), 'surrogatepass')
    if way == 7:
        depth = int(rng.choice([900, 10**5]))
        return text.replace('[', '[' * depth, 1).replace(']', ']' * depth, 1).encode('utf-8', 'surrogatepass')
    if way == 8:
        swaps = [('?', '€'), ('[96, 80]', '[96.0, 80.0]'), ('0.75', '1.75'), (': 20,', ': 20.0,'), (', ', ' ,\n ')]
        text = text.replace(*swaps[rng.integers(len(swaps))])
    data = text.encode('utf-8', 'surrogatepass')
    return change_bytes(data, rng) if 8 < way < 12 else data


@contextlib.contextmanager
def named(path, outcomes: Counter, what: str):
    """Count a refusal; it must be a ValueError that names the file."""
    refusal = str(path)
    try:
        yield
    except ValueError as error:
        refusal = str(error)
        outcomes[f'{what} refused'] += 1
    else:
        outcomes[f'{what} read'] += 1
    assert str(path) in refusal, f'the file is not named: {refusal}'


def quietly(function, *args):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args)


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    """The truth of some images, predictions of them, and the files of both and of the images' ids."""
    truth, found = random_case(np.random.default_rng(3), most=20)
    keep = {12, 20, 21}
    truth['images'] = [image for image in truth['images'] if image['id'] in keep]
    truth['annotations'] = [a for a in truth['annotations'] if a['image_id'] in keep]
    truth['annotations'] += [
        {**truth['annotations'][0], 'id': 900, 'segmentation': {'size': [96, 80], 'counts': [100, 5, 7575]}},
        {**truth['annotations'][0], 'id': 901, 'segmentation': [[3, 4, 20, 4, 20, 30.5, 3, 30]]},
    ]
    found = [entry for entry in found if entry['image_id'] in keep][:12] + as_predictions(truth, 0.75)[:-2]
    found += predictions([(12, 1, rectangle((96, 80), 10, 20, 18, 35), 0.6)])  # a run of 15 px is a '?'
    folder = tmp_path_factory.mktemp('fuzz')
    (folder / 'truth.json').write_text(json.dumps(truth))
    ids = [{key: image[key] for key in ('file_name', 'id', 'height', 'width')} for image in truth['images']]
    (folder / 'ids.json').write_text(json.dumps(ids))
    return truth, found, ids, folder


def check_pycocotools(truth: dict, path) -> None:
    """pycocotools reads the file, finds the same AP as we do, and every mask has as many px."""
    gt = COCO()
    gt.dataset = json.loads(json.dumps(truth))
    quietly(gt.createIndex)
    dt = quietly(gt.loadRes, str(path))
    evaluator = COCOeval(gt, dt, 'segm')
    evaluator.params.maxDets, evaluator.params.areaRng, evaluator.params.areaRngLbl = [1000], [[0, 1e10]], ['all']
    quietly(evaluator.evaluate)
    quietly(evaluator.accumulate)
    precision = evaluator.eval['precision']
    ours = evaluate_results(path, truth, metrics=['segm'], max_dets=1000)['segm_AP']
    assert ours == pytest.approx(precision[precision > -1].mean(), abs=1e-9)
    entries = read_results(path)
    assert len(dt.anns) == len(entries)
    for i, entry in enumerate(entries):
        size = tuple(entry['segmentation']['size'])
        ours = InstanceMasks.from_rles([entry['segmentation']], *size)
        assert ours.areas[0] == coco_mask.area(dt.anns[i + 1]['segmentation'])


def test_damaged_predictions(case, tmp_path):
    truth, found, _, folder = case
    gt, images = GroundTruth(folder / 'truth.json'), read_image_set(folder / 'truth.json')
    outcomes = Counter()
    path = tmp_path / 'damaged.json'
    for seed in range(FILES):
        path.write_bytes(damaged_json(found, np.random.default_rng([1, seed])))
        with named(path, outcomes, 'submission'):
            violations = validate_submission(path, folder / 'ids.json')
            outcomes['submission with violations'] += bool(violations)
            if not violations:
                check_pycocotools(truth, path)
        with named(path, outcomes, 'evaluation'):
            evaluate_results(path, gt, metrics=['bbox', 'segm'])
        with named(path, outcomes, 'member'):
            (file,) = open_members([Member('a', str(path))], images)
            for image_id in file.image_ids:
                read = read_checked(file, image_id, images).entries
                areas = Detections.from_entries([read], *images.sizes[image_id]).masks.areas
                rles = [entry['segmentation'] for entry in read]
                rles = [coco_mask.frPyObjects(r, *r['size']) if isinstance(r['counts'], list) else r for r in rles]
                assert areas.tolist() == [coco_mask.area(rle) for rle in rles]
    print(f'{FILES} predictions files: {dict(sorted(outcomes.items()))}')
    assert outcomes['submission refused'] > FILES / 10
    assert outcomes['submission read'] > outcomes['submission with violations'] > FILES / 10


def test_damaged_coco_files(case, tmp_path):
    truth, found, ids, _ = case
    write_results(tmp_path / 'found.json', found)
    outcomes = Counter()
    path = tmp_path / 'damaged.json'
    for seed in range(FILES):
        rng = np.random.default_rng([2, seed])
        path.write_bytes(damaged_json(truth if seed % 3 else ids, rng))
        with named(path, outcomes, 'image ids'):
            read_listed(path)
            with named(tmp_path / 'found.json', outcomes, 'submission'):
                validate_submission(tmp_path / 'found.json', path)
        with named(path, outcomes, 'image set'):
            read_image_set(path)
        with named(path, outcomes, 'lenient'):
            read_coco(path, strays=True, cells=True)
        with named(path, outcomes, 'truth'):
            gt = GroundTruth(path)
            stock = quietly(COCO, str(path))
            assert {i: (image['height'], image['width']) for i, image in stock.imgs.items()} == gt.images
            assert len(stock.anns) == len(gt)
            if gt.runs is not None:
                for image_id in gt.images:
                    areas = [int(coco_mask.area(stock.annToRLE(a))) for a in stock.imgToAnns[image_id]]
                    assert gt.masks(image_id).areas.tolist() == areas
    print(f'{FILES} COCO files: {dict(sorted(outcomes.items()))}')
    assert outcomes['truth read'] > FILES / 50
    assert outcomes['truth refused'] > FILES / 3


def test_damaged_zips(case, tmp_path):
    truth, found, _, folder = case
    write_results(tmp_path / 'found.json', found)
    path, ids, outcomes = tmp_path / 'damaged.zip', folder / 'ids.json', Counter()
    write_submission(tmp_path / 'found.json', ids, tmp_path / 'good.zip')
    zips = [(tmp_path / 'good.zip').read_bytes()]
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, 'w', method) as archive:
            archive.write(tmp_path / 'found.json', RESULTS_NAME)
        zips.append(path.read_bytes())
    for seed in range(FILES):
        rng = np.random.default_rng([3, seed])
        data = zips[seed % len(zips)]
        headers = [0, data.index(b'PK\1\2'), data.rindex(b'PK\5\6')]
        if seed % 2:  # in the headers, where lengths, methods and flags are
            at = headers[rng.integers(3)] + int(rng.integers(46))
            data = data[:at] + rng.bytes(1) + data[at + 1 :]
        else:
            data = change_bytes(data, rng)
        path.write_bytes(data)
        with named(path, outcomes, 'zip'):
            violations = validate_submission(path, ids)
            outcomes['zip with violations'] += bool(violations)
            if zipfile.is_zipfile(path) and not violations:
                with zipfile.ZipFile(path) as archive:
                    archive.extract(RESULTS_NAME, tmp_path)
                check_pycocotools(truth, tmp_path / RESULTS_NAME)
    print(f'{FILES} zips: {dict(sorted(outcomes.items()))}')
    assert outcomes['zip refused'] > FILES / 3
    assert outcomes['zip read'] > FILES / 100
