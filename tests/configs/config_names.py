"""The grammar of config names, and the same fields read from the config itself."""

import re
from typing import Any

import pytest
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

# Fields in their order; a field that has its default is not written. See configs/README.md.
GRAMMAR = re.compile(
    r'(?:(?P<number>[a-z]\d\d)_)?(?P<detector>(?:cascade-)?mask-rcnn)_(?P<backbone>[A-Za-z0-9.-]+)'
    r'_fpn(?:-(?P<width>\d+))?_a(?P<anchors>\d+-\d+)(?:_c(?P<crop>\d+))?(?:_roi(?P<rois>\d+))?(?:_(?P<caps>rpn\dk(?:-det\d+)?))?'
    r'(?:_nms(?P<nms>\d\d))?(?:_s(?P<size>\d+x\d+|\d+pct))?(?:_t(?P<test_size>\d+pct))?(?:_(?P<tta>tta(?:-shared)?))?'
    r'(?P<balanced>_cw)?(?:_(?P<copy_paste>cp(?:-crop)?))?(?:_aug-(?P<augmentation>[a-z-]+))?(?:_frz(?P<frozen>\d))?'
    r'(?P<amp>_amp)?(?P<bf16>_bf16)?(?P<ema>_ema)?(?P<early_stopping>_es)?(?:_(?P<init>scratch|coco|from-[sg]\d\d))?'
    r'_adamw-(?P<lr>\de-\d)_(?P<policy>[a-z]+\d*)-(?P<epochs>\d+)e'
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)_(?P<split>all|holdout|fold\d)'
)
FLAGS = ('balanced', 'amp', 'bf16', 'ema', 'early_stopping')
Fields = dict[str, Any]


def parse(name: str) -> Fields:
    """The fields of a leaf's name (its file name without ``.py``)."""
    match = GRAMMAR.fullmatch(name)
    if match is None:
        raise ValueError(f'{name}: not a name of the grammar {GRAMMAR.pattern}')
    return {key: bool(value) if key in FLAGS else value for key, value in match.groupdict('').items()}


def steps(pipeline: list[dict]) -> dict[str, dict]:
    """The steps of a pipeline by type; each type occurs once at most, but a crop may be made of a larger one."""
    types = [step['type'] for step in pipeline]
    assert all(types.count(name) <= 1 + (name == 'RandomCrop') for name in types), pipeline
    return {step['type']: step for step in pipeline}


def resize_field(pipeline: list[dict]) -> str:
    resize = steps(pipeline).get('Resize')
    if 'RandomChoice' in steps(pipeline):
        # A range of factors has the name of its middle.
        factors = [choice[0]['scale_factor'] for choice in steps(pipeline)['RandomChoice']['transforms']]
        assert resize is None
        assert factors == pytest.approx([factors[1] * ratio for ratio in (0.8, 1, 1.25)])
        resize = {'scale_factor': factors[1]} if factors[1] != 1 else None
    if resize is None:
        return ''
    if 'scale_factor' in resize:
        return f'{round(100 * resize["scale_factor"])}pct'
    assert resize['keep_ratio']
    return f'{resize["scale"][0]}x{resize["scale"][1]}'


def backbone_field(model: Config) -> str:
    backbone = model.backbone
    if backbone.type == 'RegNet':
        return backbone.arch.replace('_', '-').replace('gf', 'GF')
    if backbone.type == 'SwinTransformer':
        assert (backbone.embed_dims, list(backbone.depths)) == (96, [2, 2, 6, 2])
        return 'swin-t'
    if backbone.type == 'ResNeXt':
        return f'x{backbone.depth}-{backbone.groups}x{backbone.base_width}d'
    assert backbone.type == 'ResNet'
    v2 = (
        model.neck.get('norm_cfg') is not None,
        model.rpn_head.get('num_convs', 1) == 2,
        model.roi_head.bbox_head['type'] == 'Shared4Conv1FCBBoxHead' if model.type == 'MaskRCNN' else False,
        model.roi_head.mask_head.get('norm_cfg') is not None,
    )
    assert all(v2) or not any(v2)
    return f'r{backbone.depth}{"v2" if all(v2) else ""}'


def caps_field(model: Config) -> str:
    """Proposals in thousands at test, and detections where they are not half as many."""
    train, test = (
        {part[key] for key in ('nms_pre', 'max_per_img')} for part in (model.train_cfg.rpn_proposal, model.test_cfg.rpn)
    )
    (count,), detections = test, model.test_cfg.rcnn.max_per_img
    assert count >= 2 * detections
    field = f'rpn{count // 1000}k' + ('' if 2 * detections == count else f'-det{detections}')
    # Training has as many; torchvision has twice as many, and the models for a CPU, whose crops are small, 1000.
    small = model.neck.out_channels == 64
    assert train == ({2000} if field == 'rpn1k-det100' else {1000} if small else {count})
    return '' if field == 'rpn5k' else field


def rois_field(model: Config) -> str:
    """RoIs an image in training, where half of them may be cells; by default a quarter."""
    rcnn = model.train_cfg.rcnn
    ((number, share),) = {(s.sampler.num, s.sampler.pos_fraction) for s in (rcnn if isinstance(rcnn, list) else [rcnn])}
    assert share == 0.5 or (share, number) == (0.25, 64 if model.neck.out_channels == 64 else 512)
    return str(number) if share == 0.5 else ''


def init_fields(cfg: Config) -> Fields:
    """Where the weights come from, and how many stages of the backbone are frozen, if not one."""
    backbone = cfg.model.backbone
    if cfg.load_from is not None:
        assert backbone.init_cfg is None, 'ImageNet weights would be loaded and thrown away'
        earlier = re.fullmatch(r'work_dirs/consep/([sg]\d\d)_[^/]+/epoch_\d+\.pth', cfg.load_from)
        init = f'from-{earlier[1]}' if earlier else 'coco'
    else:
        init = 'scratch' if backbone.init_cfg is None else ''
    thawed = init == 'scratch' or init.startswith('from-')
    if thawed:
        assert (backbone.frozen_stages, backbone.norm_eval) == (-1, False), 'frozen stages would stay random'
    frozen = '' if thawed or backbone.frozen_stages == 1 else str(backbone.frozen_stages)
    return {'init': init, 'frozen': frozen}


def schedule_fields(cfg: Config) -> Fields:
    last, epochs = cfg.param_scheduler[-1], cfg.train_cfg.max_epochs
    assert cfg.optim_wrapper.optimizer.type == 'AdamW'
    if last.type == 'CosineAnnealingLR':
        assert last.T_max == epochs, f'the cosine ends after {last.T_max} epochs, the run after {epochs}'
        policy = 'cosine'
    else:
        assert (last.type, last.gamma) == ('StepLR', 0.1)
        policy = f'step{last.step_size}'
    lr = re.sub(r'e-0', 'e-', f'{cfg.optim_wrapper.optimizer.lr:.0e}')
    return {'lr': lr, 'policy': policy, 'epochs': str(epochs)}


def copy_paste_field(types: list[str]) -> str:
    """Whether rare cells are pasted in, and into the whole image or what is cropped from it."""
    if 'RareClassCopyPaste' not in types:
        return ''
    return 'cp-crop' if 'RandomCrop' in types[: types.index('RareClassCopyPaste')] else 'cp'


def data_fields(cfg: Config) -> Fields:
    loader = cfg.train_dataloader
    dataset = loader.dataset.dataset
    train, test = steps(dataset.pipeline), cfg.test_dataloader.dataset.pipeline
    split = re.fullmatch(r'annotations/(?:(fold\d)_train|train_(holdout)|train)\.json', dataset.ann_file)
    assert split is not None, dataset.ann_file
    split_name = split[1] or split[2] or 'all'
    if split_name == 'all':
        assert (cfg.val_dataloader, cfg.val_evaluator, cfg.val_cfg) == (None, None, None)
    else:
        val = f'annotations/{"val_holdout" if split_name == "holdout" else split_name + "_val"}.json'
        assert cfg.val_dataloader.dataset.ann_file == val
        assert cfg.val_evaluator.ann_file == f'{cfg.data_root}/{val}'
        assert cfg.val_dataloader.dataset.pipeline == test
    if 'RareClassCopyPaste' in train:
        paste = train['RareClassCopyPaste']
        assert (paste.data_root, paste.ann_file) == (dataset.data_root, dataset.ann_file), 'validation cells leak'
    size, test_size = resize_field(dataset.pipeline), resize_field(test)
    crop = train.get('RandomCrop', {}).get('crop_size')
    assert (crop is None) == ('x' in size), 'own-size images are cropped, images of a common size are not'
    assert loader.sampler.type in ('DefaultSampler', 'WeightedRandomSampler')
    tokens = {'rot': 'RandomRotate90', 'scale': 'RandomChoice', 'stain': 'StainJitter'}
    return {
        'crop': '' if crop is None or crop[0] == 512 else str(crop[0]),
        'size': size,
        'test_size': '' if test_size == size else test_size,
        'balanced': loader.sampler.type == 'WeightedRandomSampler' and loader.dataset.weighting != 'none',
        'copy_paste': copy_paste_field([step['type'] for step in dataset.pipeline]),
        'augmentation': '-'.join(token for token, step in tokens.items() if step in train),
        'batch': str(loader.batch_size),
        'split': split_name,
    }


def tta_field(cfg: Config) -> str:
    if not cfg.get('tta'):
        return ''
    fusion = cfg.tta_model.fusion
    if fusion.type == 'SharedMaskFusion':
        return 'tta-shared'
    assert (fusion.type, fusion.class_wise) == ('WeightedMaskFusion', True)
    return 'tta'


def describe(cfg: Config) -> Fields:
    """The fields that a config's name must have, from the config."""
    model = cfg.model
    anchors = TASK_UTILS.build(dict(model.rpn_head.anchor_generator, _scope_='mmdet'))
    sides = [float((b[2] - b[0]) * (b[3] - b[1])) ** 0.5 for level in anchors.base_anchors for b in level]
    nms = round(100 * model.test_cfg.rcnn.nms.iou_threshold)
    hooks = {hook.type for hook in cfg.custom_hooks}
    return {
        'detector': {'MaskRCNN': 'mask-rcnn', 'CascadeRCNN': 'cascade-mask-rcnn'}[model.type],
        'backbone': backbone_field(model),
        'width': '' if model.neck.out_channels == 256 else str(model.neck.out_channels),
        'anchors': f'{round(min(sides))}-{round(max(sides))}',
        'caps': caps_field(model),
        'rois': rois_field(model),
        'nms': '' if nms == 50 else str(nms),
        'amp': cfg.optim_wrapper.type == 'AmpOptimWrapper',
        'tta': tta_field(cfg),
        'bf16': 'BFloat16Hook' in hooks,
        'ema': 'EMAHook' in hooks,
        'early_stopping': 'EarlyStoppingHook' in hooks,
        'gpus': '1',
        **init_fields(cfg),
        **schedule_fields(cfg),
        **data_fields(cfg),
    }


# Names within config files that no runner reads; what is made of them stands under other keys.
VARIABLES = ('train_pipeline', 'bbox_head', 'roi_head')
# Which fields a key of the config belongs to; the first rule that fits a key counts.
KEY_FIELDS: list[tuple[str, set[str]]] = [
    (r'model\.backbone\.(frozen_stages|norm_eval|init_cfg\b.*)', {'init', 'frozen', 'backbone'}),
    (r'model\.rpn_head\.anchor_generator\b.*', {'anchors'}),
    (r'model\.train_cfg\.rpn_proposal\.(nms_pre|max_per_img)', {'caps', 'width'}),
    (r'model\.test_cfg\.rpn\.(nms_pre|max_per_img)', {'caps'}),
    (r'model\.test_cfg\.rcnn\.max_per_img', {'caps'}),
    (r'model\.test_cfg\.rcnn\.nms\.iou_threshold', {'nms'}),
    (r'model\.train_cfg\.rcnn\.sampler\.(num|pos_fraction)', {'rois', 'width', 'detector'}),
    (r'model\..*', {'detector', 'backbone', 'width'}),
    (r'(norm_cfg|bn|roi_layer|box_loss|width)\b.*', {'detector', 'backbone', 'width'}),
    (r'train_dataloader\.num_workers', {'width'}),  # fewer for the small models, on machines of few cores
    (r'train_dataloader\.batch_size', {'batch'}),
    (r'train_dataloader\.(sampler\b.*|dataset\.weighting)', {'balanced'}),
    (r'.*\.pipeline', {'crop', 'size', 'test_size', 'copy_paste', 'augmentation', 'split'}),
    (r'(copy_paste|train_dataloader|val_dataloader|val_evaluator|val_cfg)\b.*', {'split'}),
    (r'optim_wrapper\.type', {'amp'}),
    (r'train_cfg\.val_interval', {'epochs', 'width'}),  # how often a run is looked at follows from how long it takes
    (r'(optim_wrapper|param_scheduler|train_cfg|warmup)\b.*', {'lr', 'policy', 'epochs'}),
    (r'custom_hooks', {'bf16', 'ema', 'early_stopping'}),
    (r'load_from', {'init'}),
    (r'randomness\.seed', {'init'}),  # training on from a step's weights may draw other crops than that step did
    (r'tta|tta_model\..*', {'tta'}),
]


def flatten(value: Any, prefix: str = '') -> dict[str, Any]:
    """Keys of nested dicts, joined by dots; a list is one value."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= flatten(inner, f'{prefix}.{key}' if prefix else key)
    return flat


def fields_of(key: str) -> set[str]:
    for pattern, fields in KEY_FIELDS:
        if re.fullmatch(pattern, key):
            return fields
    return set()
