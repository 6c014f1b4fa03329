"""README's commands, as printed: own data to a submission, and a trained model's cells, on tiny drawn images."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tifffile
from mmengine.config import Config

from mmcellseg.synthetic.data_set import make_synthetic

REPO = Path(__file__).resolve().parents[2]
README = (REPO / 'README.md').read_text()
PAGES = ['README.md', *(f'docs/{page.name}' for page in sorted((REPO / 'docs').glob('*.md')))]
LEAF = 'configs/baselines/lite0_a11-256.py'
# The leaf of README's walk trains for half an hour. In the copy it takes two steps and, being no better then, finds less.
SHORT = """
model['test_cfg'] = dict(rpn=dict(nms_pre=200, max_per_img=200), rcnn=dict(max_per_img=50))
train_cfg.update(max_epochs=2, val_interval=1)
train_dataloader['sampler']['num_samples'] = 4
"""


def blocks(heading: str, language: str) -> str:
    """The code of a section of README, one block after the other."""
    section = re.search(rf'^## {heading}\n(.*?)(?=^## |\Z)', README, re.MULTILINE | re.DOTALL)[1]
    return '\n'.join(re.findall(rf'^```{language}\n(.*?)^```', section, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope='module')
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds, with an environment and data/cells in it."""
    clone = tmp_path_factory.mktemp('clone')
    for folder in ('configs', 'mmcellseg', 'tools', 'work_dirs/consep'):
        ignored = shutil.ignore_patterns(
            '__pycache__', *(() if folder[0] != 'w' else ('*.pth', '*results*.json', '2*'))
        )
        shutil.copytree(REPO / folder, clone / folder, ignore=ignored)
    shutil.copy(REPO / 'work_dirs/README.md', clone / 'work_dirs')
    with (clone / LEAF).open('a') as leaf:
        leaf.write(SHORT)
    (clone / '.venv/bin').mkdir(parents=True)
    (clone / '.venv/bin/activate').write_text(f'PATH={Path(sys.executable).parent}:$PATH\n')
    make_synthetic(clone / 'data/cells', 5, 2, proportions='balanced', size_range=(80, 96), cell_scale=0.7, dense=False)
    return clone


def walk(clone: Path, script: str) -> str:
    """Run a script in the clone, without a network, and return its output."""
    proxy = dict.fromkeys(('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'), 'http://127.0.0.1:9')
    env = {**os.environ, **proxy, 'PYTHONPATH': str(clone), 'CUDA_VISIBLE_DEVICES': ''}
    command = ['bash', '-euxo', 'pipefail', '-c', f'source .venv/bin/activate\n{script}']
    done = subprocess.run(command, cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert 'Traceback' not in done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute and a half on an idle core
def test_own_data_to_a_submission_and_the_trained_model_used(clone):
    said = walk(clone, blocks('From your own data to a submission', 'bash'))
    assert not re.search('OneDL|paramwise_options', said)
    before = said[said.index('+ python tools/train.py') :].partition('Epoch(train)')[0]
    assert len(before.splitlines()) < 40
    assert 'kept: 5 training images' in said
    assert 'best ready-made set' in said
    assert '| lite0_a11-256 |' in said  # of compare_runs.py
    assert 'confusion matrix' in said
    assert (clone / 'curves.png').stat().st_size > 10_000
    assert '<h3>Confusion matrix</h3>' in (clone / 'report.html').read_text()
    for archive in (clone / 'submission.zip', *clone.glob('work_dirs/lite0_a11-256/*/submission.zip')):
        with zipfile.ZipFile(archive) as content:
            entries = json.loads(content.read('test-results.json'))
        ids = {image['id'] for image in json.loads((clone / 'data/cells/test_image_name_to_ids.json').read_text())}
        assert {entry['image_id'] for entry in entries} <= ids

    tests = sorted((clone / 'data/cells/test_release').glob('*.tif'))
    for folder in ('images', 'slides'):
        (clone / folder).mkdir()
    shutil.copy(tests[0], clone / 'images/one.tif')
    shutil.copy(tests[0], clone / 'image.tif')
    tifffile.imwrite(clone / 'slides/two.svs', tifffile.imread(tests[1]), tile=(64, 64), photometric='rgb')
    (best,) = clone.glob('work_dirs/lite0_a11-256/best_*.pth')
    names = {'CONFIG': LEAF, 'CHECKPOINT': str(best.relative_to(clone))}
    commands, code = (
        re.sub('|'.join(names), lambda found: names[found[0]], blocks('Use a trained model', language))
        for language in ('bash', 'python')
    )
    walk(clone, commands)
    assert {path.name for path in (clone / 'cells').glob('*.geojson')} == {'one.geojson', 'two.geojson'}
    (clone / 'code.py').write_text(f'{code}\nprint(cells.to_label_map().shape)\n')
    assert str(tifffile.imread(tests[0]).shape[:2]) in walk(clone, 'python code.py')


def test_the_config_of_the_four_curves_loads(clone):
    (clone / 'configs/baselines/curves.py').write_text(blocks('Configs', 'python'))
    cfg = Config.fromfile(clone / 'configs/baselines/curves.py')
    assert [hook.type for hook in cfg.custom_hooks][-2:] == ['ValidationLossHook', 'TrainSplitMetricHook']
    assert cfg.val_dataloader.dataset.pipeline[1].type == 'LoadCellAnnotations'


@pytest.mark.parametrize('page', PAGES)
def test_what_a_page_names_is_there(page):
    """Its links and pictures, and the tools of its commands with their options."""
    text = (REPO / page).read_text()
    folder = (REPO / page).parent
    links = [link for link in re.findall(r'\]\(([^)#]+)\)', text) if not link.startswith('http')]
    assert [link for link in links if not (folder / link).exists()] == []
    shell = '\n'.join(re.findall(r'```bash\n(.*?)```', text, re.DOTALL)).replace('\\\n', ' ')
    commands = re.findall(r'(?:python|bash) (tools/\S+)(.*)', shell) + re.findall(
        r'`(?:python )?(tools/\S+\.(?:py|sh))([^`]*)`', text
    )
    for tool, words in commands:
        source = (REPO / tool).read_text()
        for option in re.findall(r' (--[a-z-]+)', words):
            assert f"'{option}'" in source or 'parse_known_args' in source, f'{tool} {option}'
