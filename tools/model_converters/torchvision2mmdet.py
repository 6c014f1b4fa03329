"""Convert a torchvision Mask R-CNN checkpoint (maskrcnn_resnet50_fpn or _v2) to MMDetection's names.

    python tools/model_converters/torchvision2mmdet.py maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth \
        checkpoints/maskrcnn_resnet50_fpn_v2_coco_mmdet.pth

The configs named ``_coco`` load the result. Their classes are their own, so COCO's last layers are left out; with
--keep-heads they stay, as MMDetection's 80 classes.
"""

import argparse
from pathlib import Path

import torch

from mmcellseg.components.models.torchvision_weights import convert
from mmcellseg.structures.files import atomic_open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='checkpoint as torchvision publishes it')
    parser.add_argument('out', type=Path, help='checkpoint to write')
    parser.add_argument('--keep-heads', action='store_true', help="keep COCO's class, box and mask outputs")
    args = parser.parse_args()
    state = torch.load(args.source, map_location='cpu', weights_only=True)
    state = state.get('model', state)  # torchvision's own training script wraps it
    try:
        converted = convert(state, args.keep_heads)
    except ValueError as error:
        raise SystemExit(f'{args.source}: {error}') from None
    with atomic_open(args.out) as file:
        torch.save({'meta': {'source': args.source.name}, 'state_dict': converted}, file)
    print(f'{args.out}: {len(converted)} of {len(state)} tensors')


if __name__ == '__main__':
    main()
