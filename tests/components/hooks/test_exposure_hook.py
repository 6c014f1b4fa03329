"""Expected, drawn and seen shares of a few batches, counted by hand."""

import logging
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.logging import MessageHub

from mmcellseg.components.hooks.exposure_hook import ExposureHook

COUNTS = np.array([[3, 0], [1, 1]])


class Data:
    image_counts = COUNTS
    class_weights = np.array([0.7, 1.6])
    metainfo = {'classes': ('common', 'rare')}

    def __len__(self):
        return 2

    def get_data_info(self, index):
        return {'img_path': f'{index}.tif'}


def sample(path, labels):
    return SimpleNamespace(img_path=path, gt_instances=SimpleNamespace(labels=torch.tensor(labels, dtype=torch.long)))


def runner(name):
    sampler = SimpleNamespace(weights=np.array([1.0, 3.0]))
    loader = SimpleNamespace(dataset=Data(), batch_sampler=SimpleNamespace(sampler=sampler), sampler=None)
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    hub = MessageHub.get_instance(name)
    return SimpleNamespace(train_dataloader=loader, logger=logger, epoch=0, message_hub=hub)


def test_shares_of_an_epoch(caplog):
    run = runner('exposure-epoch')
    hook = ExposureHook()
    with caplog.at_level(logging.INFO):
        hook.before_train(run)
        # image 1 twice, image 0 once: 3 + 1 + 1 = 5 common and 2 rare cells drawn; the crops lose two common ones
        hook.after_train_iter(run, 0, {'data_samples': [sample('1.tif', [0, 1]), sample('0.tif', [0])]})
        hook.after_train_iter(run, 1, {'data_samples': [sample('1.tif', [1, 0])]})
        hook.after_train_epoch(run)
    # p = 1/4, 3/4: 3/4 + 3/4 = 1.5 common, 0.75 rare
    np.testing.assert_allclose(hook.expected, [2 / 3, 1 / 3])
    info = run.message_hub.get_info('exposure')
    np.testing.assert_allclose(info['drawn_share'], [5 / 7, 2 / 7])
    np.testing.assert_allclose(info['seen_share'], [3 / 5, 2 / 5])
    assert info['instances'] == [4, 1]
    assert info['images'] == [2, 1]
    before, after = (record.getMessage() for record in caplog.records)
    assert 'balanced share' in before
    assert after.splitlines()[0] == 'Exposure of epoch 1:'
    assert after.splitlines()[3].split() == ['common', '66.67%', '71.43%', '60.00%', '5', '3']
    assert hook.found.tolist() == [[0, 0], [0, 0]]


def test_counts_of_a_plain_data_set_are_counted_here():
    class Plain(Data):
        image_counts = None
        class_weights = None

        def get_data_info(self, index):
            labels = [0, 0, 0] if index == 0 else [0, 1]
            return {'img_path': f'{index}.tif', 'instances': [{'bbox_label': label} for label in labels]}

    run = runner('exposure-plain')
    run.train_dataloader.dataset = Plain()
    run.train_dataloader.batch_sampler.sampler = SimpleNamespace()
    hook = ExposureHook()
    hook.before_train(run)
    np.testing.assert_allclose(hook.expected, [4 / 5, 1 / 5])
