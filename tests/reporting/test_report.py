"""The report: its figures by hand, what it says of missing parts, and the page in a real browser."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_cells import annotations, predictions, rectangle

from mmcellseg.ensemble.members import Member, write_ensemble
from mmcellseg.reporting.report import gallery, measures
from mmcellseg.reporting.report.page import build_page, differences, facts
from mmcellseg.reporting.report.sources import read_source
from mmcellseg.structures.files import atomic_write
from mmcellseg.structures.masks import InstanceMasks
from mmcellseg.structures.results import write_results
from tests.run_records import record

SIZE = 60


def squares(of_images: list[list[tuple]]) -> list[tuple]:
    """Image id, class and mask of squares of 10 px, which are given as class, x, y of each image, and what follows."""
    return [
        (image_id, category, rectangle((SIZE, SIZE), x, y, x + 10, y + 10), *more)
        for image_id, of_image in enumerate(of_images, 1)
        for category, x, y, *more in of_image
    ]


def write_data(folder: Path, cells: list[list[tuple]], name: str = 'val.json', classes=('round', 'long')) -> Path:
    """Images of class, x, y; the annotations and, in data/images, what they are of."""
    sizes = dict.fromkeys(range(1, len(cells) + 1), (SIZE, SIZE))
    content = annotations(sizes, squares(cells))
    content['categories'] = [{'id': k, 'name': c} for k, c in enumerate(classes, 1)]
    for image in content['images']:
        image['file_name'] = f'images/{image["id"]}.png'
        (folder / 'data' / 'images').mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / 'data' / image['file_name']), np.full((SIZE, SIZE, 3), 40 * image['id'], np.uint8))
    return atomic_write(folder / 'data' / 'annotations' / name, json.dumps(content))


def write_predictions(path: Path, found: list[list[tuple]]) -> Path:
    """Of each image class, x, y, score."""
    write_results(path, predictions(squares(found)))
    return path


def write_log(run: Path, text: str = '') -> None:
    lines = [{'epoch': e, 'iter': 10 * e, 'loss': 3.0 / e} for e in (1, 2)]
    validated = [{'cell/segm_AP50': 0.2 * e, 'val_loss': 3.5 / e, 'step': e} for e in (1, 2)]
    content = text or '\n'.join(json.dumps(line) for pair in zip(lines, validated) for line in pair)
    atomic_write(run / '20250101_000000' / 'vis_data' / 'scalars.json', content)


CONFIG = {
    'model.rpn_head.anchor_generator.scales': [2.5],
    'model.rpn_head.anchor_generator.ratios': [1.0],
    'model.rpn_head.anchor_generator.strides': [4],
    'test_dataloader.dataset.pipeline.0.type': 'LoadTiffImage',
}
EXPOSURE = {'classes': ['round', 'long'], 'instances': [3, 1], 'images': [2, 1], 'expected_share': [0.75, 0.25]}
# Image 1: right, wrong class, spurious; image 2: its only cell is missed.
CELLS = [[(1, 0, 0), (2, 20, 0)], [(1, 40, 40)]]
FOUND = [[(1, 0, 0, 0.9), (1, 20, 0, 0.8), (2, 40, 20, 0.7)], []]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with all that the report can show."""
    ann_file, folder = write_data(tmp_path, CELLS), tmp_path / 'runs' / 's1_first'
    write_predictions(folder / 'val-results.json', FOUND)
    write_log(folder)
    described = {str(ann_file): {'images': 2, 'cells': {'round': 2, 'long': 1}}}
    code, time = {'commit': 'abc123', 'dirty': True}, {'started': '2025-01-01T00:00:00', 'wall_s': 5400.0}
    extra = {'kind': 'train', 'seed': 3, 'code': code, 'time': time, 'data': described, 'exposure': EXPOSURE}
    record(folder, CONFIG | {'optim_wrapper.lr': 0.1}, **extra)
    return folder


def path_of(window: np.ndarray, x: int, y: int) -> str:
    high, wide = window.shape
    masks = InstanceMasks.from_windows(np.array([[x, y, x + wide, y + high]]), [window], 1000, 1000)
    return gallery.svg_path(masks, 0)


def test_contours_are_paths_in_whole_pixels() -> None:
    assert path_of(np.ones((3, 4), np.uint8), 2, 5) == 'M2 5l0 2 3 0 0-2z'
    assert path_of(np.ones((1, 1), np.uint8), 7, 1) == 'M7 1l0 0z'
    ring = np.ones((9, 9), np.uint8)
    ring[3:6, 3:6] = 0
    assert path_of(ring, 0, 0).count('M') == 2


def test_calibration_by_hand() -> None:
    scores, right = np.array([0.91, 0.99, 1.0, 0.12, 0.0]), np.array([1, 0, 1, 0, 0], bool)
    bins = measures.calibration_bins(scores, right)
    np.testing.assert_allclose(bins, [(0.0, 0, 1), (0.12, 0, 1), (2.9 / 3, 2 / 3, 3)])


def test_intervals_by_hand(tmp_path: Path) -> None:
    """Of four images of one cell one is missed; how often it is drawn is binomial with n = 4, p = 1/4."""
    ann_file = write_data(tmp_path, [[(1, 0, 0)]] * 4, classes=['round'])
    results = write_predictions(tmp_path / 'results.json', [[(1, 0, 0, 0.9)]] * 3 + [[]])
    measured = measures.measure(results, [ann_file], draws=4000, score_thr=0.5)
    assert measured.figures['segm_AP50'] == pytest.approx(76 / 101)  # recall 0.75: the recalls 0.00 to 0.75
    # Missed in all four draws: 0.4 %; in three or more: 5.1 %, of which 2.5 % lie below the interval. In none: 31.6 %.
    assert measured.intervals['segm_AP50'] == (pytest.approx(26 / 101), 1.0)
    # Two folds of the figures 0 and 1: a quarter of the draws has 0 twice, a quarter has 1 twice.
    means, ends = measures.over_folds([{'a': 0.0, 'b': 0.5}, {'a': 1.0, 'b': float('nan')}], 1000)
    assert means == {'a': 0.5, 'b': 0.5}
    assert ends == {'a': (0.0, 1.0), 'b': (0.5, 0.5)}


def test_figures_in_the_page_are_those_of_eval_results(run: Path, tmp_path: Path, call_tool) -> None:
    ann_file, out = tmp_path / 'data' / 'annotations' / 'val.json', tmp_path / 'figures.json'
    call_tool('analysis_tools/eval_results.py', run / 'val-results.json', ann_file, '--intervals', 50, '--json', out)
    expected = json.loads(out.read_text())
    page = build_page([read_source(run)], draws=50)
    body = page[page.index('<h3>Figures') : page.index('<h3>Precision')]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', body, re.S)
    shown = {key: re.findall(r'<td>(.*?)</td>', cells, re.S) for key, cells in rows}
    for key, column, figure in [('segm_AP50', 0, 'segm_AP50'), ('PQ', 1, 'PQ_round'), ('mPQ+', 2, 'PQ+_long')]:
        value, (low, high) = expected['figures'][figure], expected['intervals'][figure]
        assert shown[key][column] == f'{value:.4f}\n{low:.4f} to {high:.4f}'
    whole = {key for key in expected['figures'] if not key.endswith(('_round', '_long')) and key != 'max_dets'}
    assert set(shown) == whole


def test_kinds_of_the_gallery(run: Path) -> None:
    source = read_source(run)
    measured = measures.measure(source.results, source.ann_files, 0, 0.5)
    assert measured.image_f1 == {1: pytest.approx(2 / 5), 2: 0.0}
    square = 'l0 9 9 0 0-9z'
    assert gallery.shapes(measured, 1, 0.5) == [
        [0, 0, 0, 0.9, 1.0, 'right', f'M0 0{square}'],
        [1, 0, 1, 0.8, 1.0, 'wrong class', f'M20 0{square}'],
        [3, 1, -1, 0.7, 0.0, 'background', f'M40 20{square}'],
    ]
    assert gallery.shapes(measured, 2, 0.5) == [[2, 0, 0, -1, 0.0, 'missed', f'M40 40{square}']]
    found, missing = gallery.tiles([('a', measured, source.ann_files, 0.5)], None, 1)
    assert [tile['name'] for tile in found] == ['images/2.png']  # the worst
    assert missing == []


def test_a_page_of_one_run_holds_every_part(run: Path) -> None:
    source = read_source(run)
    page = build_page([source], draws=20)
    assert source.missing == ['Not in the log: train AP.']
    for part in ('At a glance', 'Learning curves', 'Confusion matrix', 'Class exposure', 'Anchor recall', 'Gallery'):
        assert part in page
    assert facts(source)['commit'] == 'abc123 with changes'
    assert facts(source)['time'] == '90 min'
    # Anchors of 10 px, at points 4 px apart, lie 1 px off the cells of 10 px both ways: IoU 81 / 119.
    assert '<td>1.000</td><td>0.000</td><td>0.681</td>' in page
    assert 'http' not in page.replace('http://www.w3.org/2000/svg', '').replace('http-equiv', '')


def test_two_runs_are_compared_and_share_their_tiles(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / 'runs' / 's2_second')
    record(
        other, CONFIG | {'optim_wrapper.lr': 0.2}, **{k: v for k, v in read_source(run).record.items() if k == 'data'}
    )
    sources = [read_source(run), read_source(other)]
    assert differences(sources) == [['key', 's1_first', 's2_second'], ['optim_wrapper.lr', '0.1', '0.2']]
    page = build_page(sources, draws=0, number=2)
    assert page.count('type="application/json"') == 1
    data = json.loads(re.search(r'<script type="application/json" id="tile0">(.*?)</script>', page)[1])
    assert list(data['runs']) == ['s1_first', 's2_second']


def test_missing_parts_are_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    run = tmp_path / 'half'
    write_log(run, json.dumps({'epoch': 1, 'iter': 1, 'loss': 2.5}) + '\n{"epoch": 2, "lo')
    source = read_source(run)
    page = build_page([source])
    assert 'Learning curves' in page
    assert 'Gallery</h2>' not in page
    said = ' '.join(source.missing)
    for sentence in ('No record of what was run', 'No predictions of annotated images', 'val loss, train AP, val AP'):
        assert sentence in said
    empty = tmp_path / 'empty'
    empty.mkdir()
    source = read_source(empty)
    assert 'holds no */vis_data/scalars.json' in build_page([source])
    with pytest.raises(FileNotFoundError, match='gone: there is no such folder; give the folder of a run'):
        read_source(tmp_path / 'gone')


def test_without_predictions_the_recorded_figures_stand(tmp_path: Path) -> None:
    run = tmp_path / 'clone'
    record(run, CONFIG, {'epoch': 3, 'cell/segm_AP50': 0.43215}, data={'a.json': {'images': 1, 'cells': {}}})
    page = build_page([read_source(run)])
    assert re.search(r'clone</th>\s*<td>0.4321|clone</th>\s*<td>0.4322', page)


def test_absent_images_annotations_and_broken_predictions_are_named(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / 'data' / 'images')
    assert '2 images are not there (images/1.png …): give their folder with --images.' in build_page(
        [read_source(run)], draws=0
    )
    whole_file = shutil.copy(run / 'val-results.json', tmp_path / 'results.json')
    (run / 'val-results.json').write_text(whole_file.read_text()[:-40])
    source = read_source(run)
    assert 'Class exposure' in build_page([source], draws=0)
    assert 'The predictions cannot be measured' in source.missing[-1]
    annotations = tmp_path / 'data' / 'annotations' / 'val.json'
    annotations.write_text('{"images": [')
    source = read_source(run)
    build_page([source], draws=0)
    assert 'val.json: truncated or not valid JSON' in ' '.join(source.missing)
    annotations.unlink()
    assert 'No annotations of the predicted images (none.json)' in read_source(whole_file, 'none.json').missing[-1]
    assert 'give them with --ann' in read_source(run).missing[-1]


def test_names_from_the_data_are_only_text(tmp_path: Path) -> None:
    bad = '</script><script>alert(1)</script>'
    ann_file = write_data(tmp_path, CELLS, classes=[bad, 'long'])
    results = write_predictions(tmp_path / 'results.json', FOUND)
    assert bad not in build_page([read_source(results, ann_file)], draws=0)


def test_what_a_member_adds_by_hand(tmp_path: Path) -> None:
    """Each member finds one of two cells."""
    ann_file = write_data(tmp_path, [[(1, 0, 0), (1, 20, 0)]], classes=['round'])
    members = [
        Member(name, str(write_predictions(tmp_path / f'{name}.json', [[(1, x, 0, 0.9)]])))
        for name, x in (('left', 0), ('right', 20))
    ]
    folder = tmp_path / 'ensemble'
    write_predictions(folder / 'test-results.json', [[(1, 0, 0, 0.9), (1, 20, 0, 0.9)]])
    write_ensemble(folder, members, {'type': 'NMSFusion'}, ann_file)
    source = read_source(folder)
    half = 51 / 101  # recall 0.5: the recalls 0.00 to 0.50
    assert measures.member_table(source.ensemble)[1:] == [
        ['left', '1', f'{half:.4f}', f'{half:.4f}', f'{1 - half:+.4f}'],
        ['right', '1', f'{half:.4f}', f'{half:.4f}', f'{1 - half:+.4f}'],
        ['all 2 merged', '', '1.0000', '', ''],
    ]
    assert 'What each member adds' in build_page([source], draws=0)
    Path(members[0].results).unlink()
    build_page([source], draws=0)
    assert 'left.json: there is no such predictions file' in source.missing[-1]


def test_folds_are_put_together(tmp_path: Path) -> None:
    folder, scores = tmp_path / 'cv', []
    for fold, (cells, value) in enumerate([([[(1, 0, 0)], []], 0.2), ([[], [(1, 0, 0)]], 0.6)]):
        ann_file = write_data(tmp_path, cells, f'fold{fold}_val.json')
        content = json.loads(ann_file.read_text())
        content['images'] = content['images'][fold : fold + 1]
        content['annotations'][0]['id'] = fold + 1  # ids are those of the data set
        ann_file.write_text(json.dumps(content))
        described = {'images': 1, 'cells': {'round': 1}}
        record(folder / f'fold{fold}', CONFIG, data={'gone_train.json': described, str(ann_file): described})
        write_log(folder / f'fold{fold}')
        scores.append({'segm_AP50': value})
    write_predictions(folder / 'oof-results.json', [[(1, 0, 0, 0.9)], [(1, 0, 0, 0.9)]])
    atomic_write(folder / 'cross-validation.json', json.dumps({'folds': scores}))
    source = read_source(folder)
    assert [run.name for run in source.runs] == ['cv fold0', 'cv fold1']
    page = build_page([source], draws=100)
    assert 'mean of 2 folds' in page
    assert '<td>0.4000\n0.2000 to 0.6000</td>' in page


def test_thirty_dense_tiles_are_below_15_mb(tmp_path: Path, rng: np.random.Generator) -> None:
    """850 cells in 1000 px with the grain of a camera."""
    yy, xx = np.mgrid[:30, :30]
    cell = ((yy - 15) ** 2 / 140 + (xx - 15) ** 2 / 90 + rng.normal(0, 0.05, (30, 30)) < 1).astype(np.uint8)
    one = len(json.dumps([0, 1, 1, 0.512, 0.731, 'right', path_of(cell, 512, 731)]))
    noise = cv2.GaussianBlur(rng.normal(0, 60, (1000, 1000, 3)), (0, 0), 1.5) + rng.normal(0, 3, (1000, 1000, 3))
    image = len(gallery.data_uri(np.clip(180 + noise, 0, 255).astype(np.uint8), gallery.LONGEST, 62))
    assert 30 * (850 * one + image) < 14e6


def test_the_tool_writes_the_page_or_says_why_not(run: Path, tmp_path: Path, call_tool) -> None:
    out = tmp_path / 'out.html'
    assert f'{out}: ' in call_tool('analysis_tools/report.py', run, '--out', out).out
    assert 'gone: there is no such folder' in call_tool('analysis_tools/report.py', tmp_path / 'gone', code=1).err


@pytest.fixture
def browser():
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright, which drives a browser, is not installed')
    path = shutil.which('chromium')
    if path is None:
        pytest.skip('no chromium on this machine (apt-get install chromium)')
    with sync_api.sync_playwright() as driver:
        # Without a sandbox of its own: containers seldom allow one, and the page is ours.
        started = driver.chromium.launch(executable_path=path, args=['--no-sandbox'])
        yield started
        started.close()


def test_page_in_a_browser(run: Path, tmp_path: Path, browser) -> None:
    other = shutil.copytree(run, tmp_path / 'runs' / 's2_second')
    write_predictions(other / 'val-results.json', [[], [(1, 40, 40, 0.6)]])
    html = atomic_write(tmp_path / 'report.html', build_page([read_source(run), read_source(other)], draws=20))
    view, said = browser.new_page(viewport={'width': 1000, 'height': 800}), []
    view.on('console', lambda message: said.append(message.text))
    view.on('pageerror', lambda error: said.append(str(error)))
    view.on('request', lambda request: said.append(request.url) if request.url.startswith('http') else None)
    view.goto(html.as_uri())
    for width in (400, 1000, 1600):  # no part is wider than the page
        view.set_viewport_size({'width': width, 'height': 800})
        assert view.evaluate('document.documentElement.scrollWidth') == width

    view.locator('[data-tile]', has_text='images/1.png').click()
    view.locator('#run').select_option('s1_first')
    counts = [view.locator(f'[data-count="{k}"]').text_content() for k in range(4)]
    assert counts == ['(1)', '(1)', '(0)', '(1)']
    drawn = view.locator('#stage .c')
    for k, place in ((0, 0), (1, 1), (3, 2)):
        switch = view.locator(f'[data-switch="{k}"]')
        switch.focus()
        view.keyboard.press('Space')
        assert [drawn.nth(i).is_visible() for i in range(3)] == [i != place for i in range(3)]
        switch.check()
    words = view.locator('#said')
    for place, text in enumerate(
        (
            'round, score 0.90, best IoU 1.00, right',
            'round (truly long), score 0.80, best IoU 1.00, wrong class',
            'long, score 0.70, best IoU 0.00, background',
        )
    ):
        drawn.nth(place).hover(force=True)
        assert words.text_content() == text
    view.locator('[data-tile]', has_text='images/2.png').click()
    drawn.nth(0).hover(force=True)
    assert words.text_content() == 'round, missed, best IoU 0.00'
    view.locator('[data-switch="2"]').uncheck()
    assert not drawn.nth(0).is_visible()
    view.locator('#run').select_option('s2_second')
    assert drawn.nth(0).is_visible()

    width = view.locator('#stage svg').bounding_box()['width']
    view.get_by_role('button', name='Zoom in').click()
    assert view.locator('#stage svg').bounding_box()['width'] == pytest.approx(1.5 * width, rel=0.02)
    view.get_by_role('button', name='whole').click()
    assert view.locator('#stage svg').bounding_box()['width'] == pytest.approx(width, rel=0.02)
    assert said == []
