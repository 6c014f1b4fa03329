"""What a run shows: what is trained on what, the progress, figures."""

import pytest
from tiny_run import REPO, run_tool

TRAIN = REPO / 'tools/train.py'


@pytest.fixture(scope='module')
def outputs(tiny_trained, tmp_path_factory):
    """The terminal of a short and of a verbose run."""
    place = tmp_path_factory.mktemp('terminal')
    options = ('--cfg-options', 'train_cfg.max_epochs=1')
    return {
        kind: run_tool(TRAIN, tiny_trained / 'tiny.py', '--work-dir', place / kind, *given, *options, cwd=place)
        for kind, given in (('terse', ()), ('verbose', ('--verbose',)))
    } | {'place': place, 'data': tiny_trained / 'data'}


def test_the_first_training_line_comes_soon(outputs):
    lines = outputs['terse'].splitlines()
    first = next(number for number, line in enumerate(lines) if 'Epoch(train)' in line)
    assert first < 20
    before = '\n'.join(lines[:first])
    for said in (
        *('Training MaskRCNN', 'classes  2: class1, class2', 'weights  random', 'device   '),
        f'{outputs["data"]}/annotations/train.json: 4 images, 12 cells',
        *(f'config   {outputs["data"].parent / "tiny.py"}', f'folder   {outputs["place"] / "terse"}'),
    ):
        assert said in before
    for unsaid in ('OneDL', 'Hooks will be', 'dict(', 'System environment', 'creating index', 'deprecated'):
        assert unsaid not in outputs['terse']
    assert 'cell/segm_AP50' in outputs['terse']


def test_verbose_and_the_log_hold_all(outputs):
    (log,) = (outputs['place'] / 'terse').glob('*/*.log')
    for text in (outputs['verbose'], log.read_text()):
        for said in (
            'Hooks will be executed',
            'Config:\n',
            'System environment',
            "type='MaskRCNN'",
            'Training MaskRCNN',
        ):
            assert said in text
    assert "type='MaskRCNN'" in (outputs['place'] / 'terse/tiny.py').read_text()
