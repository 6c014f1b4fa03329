"""Errors that say which image, and why a worker died."""

import copy
import pickle

import pytest
import torch
from mmengine.dataset import Compose

from mmcellseg.components.hooks.data_fault_hook import DataError, GuardedPipeline, explain_worker_death


def broken(data):
    if data['sample_idx'] == 1:
        raise ValueError('too short')
    return {**data, 'read': True}


def guarded(skip):
    return GuardedPipeline(broken, skip, torch.zeros(3, dtype=torch.uint8))


def test_an_error_names_its_image():
    pipeline = guarded(skip=False)
    assert pipeline({'img_path': 'a.tif', 'sample_idx': 0})['read']
    with pytest.raises(DataError, match=r'b\.tif: cannot be loaded for training \(ValueError: too short\)'):
        pipeline({'img_path': 'b.tif', 'sample_idx': 1})


def test_skipped_images_count_once():
    pipeline = guarded(skip=True)
    for _ in range(2):
        assert pipeline({'img_path': 'b.tif', 'sample_idx': 1}) is None
    assert pipeline.skipped.tolist() == [0, 1, 0]


def test_a_guarded_pipeline_goes_to_workers_and_shows_what_it_guards():
    again = pickle.loads(pickle.dumps(guarded(skip=False)))
    assert again({'sample_idx': 0})['read']
    again.pipeline = Compose([])
    assert copy.deepcopy(again).transforms == []


KILLED = 'DataLoader worker (pid 12) is killed by signal: {}. '


@pytest.mark.parametrize(
    ('message', 'cause'),
    [
        (KILLED.format('Killed'), 'use fewer workers or smaller images'),
        (
            KILLED.format('Bus error') + 'It is possible that workers are out of memory.',
            'shared memory',
        ),
        (KILLED.format('Segmentation fault'), 'num_workers=0 shows which'),
        (KILLED.format('Hangup'), 'it got signal 1'),
        ('DataLoader worker (pid(s) 12, 13) exited unexpectedly', 'it was killed, as a rule'),
    ],
)
def test_the_cause_of_a_death(message, cause):
    assert cause in explain_worker_death(RuntimeError(message))
    later = RuntimeError('DataLoader worker (pid(s) 12, 13) exited unexpectedly')
    later.__cause__ = RuntimeError(message)
    assert cause in explain_worker_death(later)


def test_other_errors_have_no_such_cause():
    assert explain_worker_death(ValueError('x')) == ''
