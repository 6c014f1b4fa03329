#!/usr/bin/env python
"""Find the cells of images and slides with a trained model.

    python tools/predict.py CONFIG CHECKPOINT INPUT… --out DIR [--to geojson label-tiff csv …]
    python tools/predict.py ENSEMBLE_CONFIG - INPUT… --out DIR

INPUT: files, folders or globs of TIFF, PNG and JPEG, and slides (SVS, NDPI, tiled or pyramidal TIFF, OME-TIFF).
Finished images are skipped when the command runs again. Any number of processes, on any number of machines that share
DIR, may run the same command: each takes images that no other has. docs/predict.md says more.
"""

import argparse
import signal
import sys
from pathlib import Path

from mmcellseg.export.formats import FORMATS
from mmcellseg.export.overlay import OverlayWriter
from mmcellseg.slides.work_list import list_images

WRITERS = {**FORMATS, 'overlay': OverlayWriter}


def mpp(text: str) -> float | str:
    return text if text == 'native' else float(text)


def threshold(text: str) -> float | str:
    return text if text == 'auto' else float(text)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help="the model's config, or one of configs/ensembles/")
    parser.add_argument('checkpoint', help='its weights; - for an ensemble, whose members name theirs')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='image, slide, folder or glob')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder of the outputs')
    parser.add_argument('--to', nargs='+', choices=WRITERS, default=['geojson', 'overlay'], help='what to write')
    parser.add_argument('--score-thr', type=threshold, default='auto', help="auto: what the run's record fitted")
    parser.add_argument('--tta', action='store_true', help='test-time augmentation, on each tile')
    parser.add_argument('--tile', type=int, default=1024, help='px of a tile (default: %(default)s)')
    parser.add_argument('--overlap', type=int, default=128, help='px that tiles share; more than a cell has')
    parser.add_argument('--batch', type=int, default=1, help='tiles predicted at once (default: %(default)s)')
    parser.add_argument(
        '--mpp', type=mpp, help="µm/px that the network shall see (default: the config's pixel_size); native: as it is"
    )
    parser.add_argument('--image-mpp', type=float, help='µm/px of images whose file does not say')
    parser.add_argument('--all-tiles', action='store_true', help='predict the background of slides, too')
    parser.add_argument('--device', default='auto', help='cpu, cuda:0, … (default: the GPU if there is one)')
    parser.add_argument('--workers', type=int, default=2, help='threads that read tiles (default: %(default)s)')
    parser.add_argument(
        '--take-stale', type=float, metavar='MINUTES', help='take over images whose process was silent for so long'
    )
    parser.add_argument('--trust-checkpoint', action='store_true', help='unpickle the checkpoint whole')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # give back the claim when a scheduler or the keyboard ends the job
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        items = list_images(args.inputs)
        from mmcellseg import predict  # several seconds: what is wrong so far is said before
        from mmcellseg.components import checkpoint
        from mmcellseg.runs.predict_files import predict_files

        if args.trust_checkpoint:
            checkpoint.trust(args.checkpoint)
        one = None if args.checkpoint == '-' else args.checkpoint
        sizes = {key: getattr(args, key) for key in ('tile', 'overlap', 'image_mpp', 'all_tiles')}
        speed = {'batch': args.batch, 'workers': args.workers}
        choices = {'score_thr': args.score_thr, 'tta': args.tta, 'mpp': args.mpp}
        model = predict.load(args.config, one, device=args.device, **choices, **sizes, **speed)
        settings = {**model.identity, **sizes, 'mpp': args.mpp}
        formats = {name: WRITERS[name] for name in args.to}
        outcome = predict_files(model, items, args.out, formats, settings, args.take_stale)
    except (OSError, ValueError, RuntimeError) as error:
        raise SystemExit(f'predict.py: {error}') from error
    print('\n'.join(outcome.lines()))
    return 1 if outcome.failed else 0


if __name__ == '__main__':
    sys.exit(main())
