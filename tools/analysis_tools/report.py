#!/usr/bin/env python3
"""Write a page on runs, cross-validations and ensembles that opens offline in a browser.

    python tools/analysis_tools/report.py work_dirs/a work_dirs/b --out report.html

It shows what was run, learning curves, figures with intervals, kinds of error and a gallery of images, worst first.
What is not there is named, and the rest is shown.
"""

import argparse
import shutil
import sys
from pathlib import Path

from mmcellseg.structures.files import atomic_write


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='folders of runs or ensembles, predictions')
    parser.add_argument('--out', type=Path, default=Path('report.html'), help='default: %(default)s')
    parser.add_argument('--ann', type=Path, help='annotations of the predicted images (default: as recorded)')
    parser.add_argument('--images', type=Path, help='their folder (default: looked for beside the annotations)')
    parser.add_argument('--tiles', type=int, default=30, help='images in the gallery, shared by the runs (%(default)s)')
    parser.add_argument('--picture', type=Path, metavar='PNG', help='also a picture of the gallery, by Chromium')
    args = parser.parse_args()
    if args.tiles < 0:
        parser.error('--tiles: expected 0 or more')
    return args


def take_picture(page: Path, picture: Path) -> None:
    """The gallery with the pointer on a cell. Needs ``playwright`` and a Chromium: apt-get install chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        view = browser.new_page(viewport={'width': 1000, 'height': 760})
        view.goto(page.resolve().as_uri())
        view.locator('#gallery').evaluate('element => element.scrollIntoView()')
        view.locator('#stage .c').first.hover(force=True)
        view.screenshot(path=picture)
        browser.close()


def main() -> int:
    args = parse_args()
    from mmcellseg.reporting.report.page import build_page  # matplotlib: --help does without
    from mmcellseg.reporting.report.sources import read_source

    try:
        sources = [read_source(run, args.ann) for run in args.runs]
        page = build_page(sources, args.images, args.tiles)
        print(f'{atomic_write(args.out, page)}: {len(page.encode()) / 1e6:.1f} MB')
        if args.picture:
            take_picture(args.out, args.picture)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    for source in sources:
        for sentence in source.missing:
            print(f'{source.name}: {sentence}', file=sys.stderr)
    return 0


if __name__ == '__main__':
    sys.exit(main())
