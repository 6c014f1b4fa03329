#!/usr/bin/env python3
"""Write the tables of configs/README.md anew, from the docstrings of the leaves and from their built configs."""

import argparse
from pathlib import Path

from mmcellseg.runs.config_table import fill
from mmcellseg.structures.files import atomic_write

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    readme = CONFIGS / 'README.md'
    atomic_write(readme, fill(readme.read_text(), CONFIGS))


if __name__ == '__main__':
    main()
