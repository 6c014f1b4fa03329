#!/usr/bin/env python3
"""Write the report of two simulated models on drawn tissue, and a picture of its gallery.

    python tools/analysis_tools/report_example.py /tmp/example --picture docs/report.png

The picture needs a Chromium: apt-get install chromium.
"""

import argparse
import shutil
from pathlib import Path

from PIL import Image

from mmcellseg.data.convert import read_dataset, write_conversion
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.reporting.report.page import build_page
from mmcellseg.reporting.report.sources import read_source
from mmcellseg.structures.files import atomic_write
from mmcellseg.structures.results import write_results
from mmcellseg.synthetic.data_set import make_synthetic
from mmcellseg.synthetic.members import Imperfection, simulate_members


def make_example(folder: Path, images: int = 6, size: int = 400) -> tuple[list[Path], Path]:
    """Draw images, and the predictions of two simulated models; returns the files of predictions and annotations."""
    data = folder / 'data'
    if not data.is_dir():
        make_synthetic(data, images, 1, proportions='balanced', size_range=(size, size), dense=False)
    ann_file = write_conversion(read_dataset(data), data)[0]
    truth = GroundTruth(ann_file)
    masks = {i: (truth.masks(i), truth.category_ids[truth.rows(i)]) for i in truth.images}
    settings = Imperfection(missed=0.08, false_positives=0.06, confused=0.08)
    models = simulate_members(masks, list(truth.categories), 2, imperfection=settings)
    files = [folder / f'simulated_{name}.json' for name in 'ab']
    for file, entries in zip(files, models):
        write_results(file, entries)
    return files, ann_file


def take_picture(page: Path, picture: Path) -> None:
    """The gallery, zoomed in, with the pointer on a cell."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        view = browser.new_page(viewport={'width': 1000, 'height': 760})
        view.goto(page.resolve().as_uri())
        view.locator('#gallery').evaluate('element => element.scrollIntoView()')
        view.locator('.k1 .c').first.hover(force=True)
        picture.write_bytes(view.screenshot())
        browser.close()
    Image.open(picture).quantize(256, Image.Quantize.FASTOCTREE).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='where data, predictions and report.html go')
    parser.add_argument('--picture', type=Path, help='.png file to write')
    args = parser.parse_args()
    files, ann_file = make_example(args.folder)
    page = atomic_write(
        args.folder / 'report.html', build_page([read_source(file, ann_file) for file in files], score_thr=0.3)
    )
    print(page)
    if args.picture:
        take_picture(page, args.picture)
        print(args.picture)


if __name__ == '__main__':
    main()
