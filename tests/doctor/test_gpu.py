"""The parts for a GPU, on the CPU in tiny sizes, with a tiny recipe."""

import json
import time
from functools import partial

import pytest
import tiny_run
import torch
from mmengine.config import Config
from tiny_run import REPO, write_config, write_data
from yapf.yapflib import yapf_api

from mmcellseg.components.models.chunked_max_iou_assigner import ChunkedMaxIoUAssigner
from mmcellseg.components.models.rle_mask_head import RLEMaskHead
from mmcellseg.doctor import arithmetic, gpu, packages, run_gpu, trainings
from mmcellseg.doctor.answer import Answer
from mmcellseg.doctor.gpu import PARTS, Part
from mmcellseg.doctor.trainings import RECIPES, Bench, OutOfTimeError


@pytest.fixture(autouse=True)
def plain_text(monkeypatch):
    """Laying out a config's text takes seconds."""
    monkeypatch.setattr(yapf_api, 'FormatCode', lambda text, **kwargs: (text, False))


@pytest.fixture
def bench(tmp_path):
    return Bench('cpu', tmp_path, time.monotonic() + 300)


@pytest.fixture
def tiny_tools(tmp_path, monkeypatch):
    """The recipe is the tiny config with the synthetic data's four classes, and tools fork from the tests' server."""
    recipe = write_config(tmp_path / 'recipe.py', write_data(tmp_path / 'own'))
    text = recipe.read_text().replace('num_classes=2', 'num_classes=4')
    text = text.replace("('class1', 'class2')", "('class1', 'class2', 'class3', 'class4')")
    counted = "train_dataloader['dataset'] = dict(type='ClassWeightedDataset', dataset=train_dataloader['dataset'])\n"
    recipe.write_text(text + counted)
    monkeypatch.setitem(RECIPES, 'cpu', recipe)
    ran = []

    def run_tool(bench, tool, *arguments, **variables):
        ran.append((tool, *map(str, arguments[3:]), variables))
        tiny_run.run_tool(REPO / 'tools' / tool, *arguments, cwd=bench.folder, **variables)

    monkeypatch.setattr(Bench, 'run_tool', run_tool)
    return ran


def test_every_part_on_the_cpu(tmp_path, tiny_tools, capsys):
    """All but three that differ from others by a name alone: of a large model, and of two cases of the benchmark."""
    parts = dict(PARTS)
    for name in ('member x101', 'benchmark load', 'benchmark train'):
        del parts[name]
    answers = run_gpu(tmp_path / 'gpu.json', 300, 'cpu', parts)
    printed = capsys.readouterr().out
    assert {answer.status for answer in answers.values()} == {'ok'}, printed
    assert [line.split()[0] for line in printed.splitlines()] == ['ok'] * len(parts)
    content = json.loads((tmp_path / 'gpu.json').read_text())
    assert content['device'] == 'cpu'
    figures = {name: part['figures'] for name, part in content['parts'].items()}
    for name in ('float32', 'AMP', 'TF32', 'member lite0'):
        assert len(figures[name]['losses']) == 4
        assert figures[name]['images/s'] > 0
        assert 0 <= figures[name]['waits'] <= 1
    assert figures['float32']['losses'] == figures['TF32']['losses']  # the same seed, and the CPU has no TF32
    assert figures['format-only']['masks'] > 0
    assert figures['benchmark predict']['rows'][0]['times faster'] > 0
    trained = [line[1:] for line in tiny_tools if line[0] == 'train.py']
    assert trained[:3] == [
        ({'NVIDIA_TF32_OVERRIDE': '0'},),
        ('--amp', {}),
        ({'TORCH_ALLOW_TF32_CUBLAS_OVERRIDE': '1'},),
    ]
    assert not list(tmp_path.glob('**/epoch_*.pth'))


def test_the_recipe_of_a_gpu_and_its_models(bench, monkeypatch):
    """They are too large for a training here: their configs are written and read."""
    monkeypatch.setitem(RECIPES, 'cpu', RECIPES['cuda'])
    backbones = []
    for model in (None, *trainings.MODELS.values()):
        cfg = Config.fromfile(trainings.write_config(bench, 'some', 5, model))
        assert cfg.train_dataloader.sampler.num_samples == 5 * cfg.train_dataloader.batch_size
        assert cfg.load_from is None
        assert cfg.val_cfg is None
        backbones.append((cfg.model.backbone.type, cfg.model.backbone.get('depth')))
    assert backbones == [('ResNet', 50), ('EfficientNetLite', None), ('ResNeXt', 101)]


def test_resumed_where_it_was_left(tmp_path, capsys):
    ran = []

    def part(name, status):
        def run(bench):
            ran.append(name)
            return Answer(status, f'{name} ran', figures={'x': 1})

        return Part(1, run)

    out = tmp_path / 'gpu.json'
    parts = {name: part(name, name) for name in ('ok', 'warning', 'fail')}
    first = run_gpu(out, 60, 'cpu', parts)
    assert first['ok'].figures['x'] == 1
    answers = run_gpu(out, 60, 'cpu', parts)
    assert ran == ['ok', 'warning', 'fail', 'fail']
    assert answers['ok'].text == 'ok ran'
    assert 'ok ran (measured before)' in capsys.readouterr().out
    out.write_text(out.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    run_gpu(out, 60, 'cpu', parts)  # another machine's
    assert ran[4:] == ['ok', 'warning', 'fail']
    run_gpu(out / 'below', 60, 'cpu', parts)
    assert 'fail     report' in capsys.readouterr().out  # a file that cannot be written


def test_parts_that_do_not_fit_are_named(tmp_path, monkeypatch, capsys):
    def late(bench):
        raise OutOfTimeError('train.py did not end in the time that was left')

    parts = {'one': Part(1, late), 'two': Part(100, late), 'three': Part(2, lambda bench: Answer('ok', 'done'))}
    answers = run_gpu(tmp_path / 'gpu.json', 60, 'cpu', parts)
    assert [answer.status for answer in answers.values()] == ['left out', 'left out', 'ok']
    monkeypatch.setattr(gpu, '_no_gpu', lambda: None)
    answers = run_gpu(tmp_path / 'gpu2.json', 60, 'cuda', parts)
    assert answers['two'].text == 'takes up to 100 s, of which 60 are left'
    assert 'left out two ' in capsys.readouterr().out


def test_without_a_gpu_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packages, 'read_driver', packages.Driver)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    answers = run_gpu(tmp_path / 'gpu.json', 60)
    assert answers['GPU'].status == 'fail'
    assert capsys.readouterr().out.startswith('fail     GPU                  no GPU to run this on: torch ')
    assert not (tmp_path / 'gpu.json').exists()


def test_a_tool_that_fails_and_one_that_does_not_end(bench):
    with pytest.raises(RuntimeError, match=r'submit\.py ended with exit code 2: .*'):
        bench.run_tool('submit.py', '--unknown')
    bench.run_tool('submit.py', '--help')
    late = Bench('cpu', bench.folder, 0)
    (bench.folder / 'sleep.py').write_text('import time\ntime.sleep(100)\n')
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match='did not end in the time that was left'):
        late.run_tool(bench.folder / 'sleep.py')
    assert time.monotonic() - began < 50


def test_losses_that_are_not_finite(bench, tiny_tools, monkeypatch):
    def diverged(bench, tool, config, option, run, **variables):
        folder = run / 'a' / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('{"loss": 1.0, "time": 1, "data_time": 0}\n{"loss": NaN}\n' * 2)

    monkeypatch.setattr(Bench, 'run_tool', diverged)
    answer = trainings.train(bench, 'float32')
    assert (answer.status, answer.text) == ('fail', '4 of 4 steps, losses [1.0, nan, 1.0, nan]')


def test_differences_from_the_cpu_are_found(bench, monkeypatch):
    def second(call, change):
        """``call``, whose every second result is changed, as a device that computes otherwise would."""
        calls = []

        def changed(*args, **kwargs):
            result = call(*args, **kwargs)
            calls.append(0)
            return result if len(calls) % 2 else change(result)

        return changed

    def other_anchor(result):
        result.gt_inds[:3] += 1
        return result

    stock = RLEMaskHead.predict_by_feat

    def other_mask(results):
        results[0].masks = [results[0].masks[1], *results[0].masks[1:]]
        return results

    other_logits = partial(torch.add, other=0.01)

    def on_all(*args, **kwargs):
        return other_mask(stock(*args, **kwargs))

    for method, replaced, part, status, figure in (
        ((ChunkedMaxIoUAssigner, 'assign'), other_anchor, arithmetic.assigner, 'fail', 'gt_inds'),
        # Of whose runs the first is on the device, the second on the CPU.
        ((RLEMaskHead, 'predict_by_feat'), other_mask, arithmetic.rle_head, 'warning', 'other than the CPU'),
        ((RLEMaskHead, 'predict_by_feat'), on_all, arithmetic.rle_head, 'fail', 'other than stock'),
        ((RLEMaskHead, 'forward'), other_logits, arithmetic.operators, 'fail', 'mask head differs by'),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(*method, on_all if replaced is on_all else second(getattr(*method), replaced))
            answer = part(bench)
        assert answer.status == status
        assert answer.figures[figure] > arithmetic.LARGEST_DIFFERENCE
        assert status == 'fail' or answer.figures['pixels'] > 0
    assert answer.figures['NMS differs in'] == 0


@pytest.mark.parametrize(
    ('faster', 'waits', 'status'),
    [
        ((2.1, 1.1), 0.01, 'ok'),
        ((1.9, 1.1), 0.01, 'warning'),
        ((2.1, 0.9), 0.01, 'warning'),
        ((2.1, 1.1), 0.1, 'warning'),
    ],
)
def test_the_aims_of_the_benchmark_of_training(tmp_path, monkeypatch, faster, waits, status):
    kinds = ('densest images (740 cells)', 'sparsest images (3 cells)')
    rows = [{'what': kind, 'times faster': ratio, 'ours waits': waits} for kind, ratio in zip(kinds, faster)]
    rows.append({'what': 'densest image uncropped', 'ours images/s': 1.0})

    def measured(bench, tool, case, option, out):
        out.write_text(json.dumps(rows))

    monkeypatch.setattr(Bench, 'run_tool', measured)
    answer = trainings.benchmark(Bench('cuda', tmp_path, 0), 'train')
    assert answer.status == status
    assert answer.text.startswith(f'densest images (740 cells): {faster[0]} × stock; sparsest')
    assert answer.figures['rows'] == rows
