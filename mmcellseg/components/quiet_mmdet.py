"""Imports MMDetection without its two remarks that the onedl packages, clients of their makers' cloud, are missing."""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()) as _said:
    import mmdet.datasets  # noqa: F401

for _line in _said.getvalue().splitlines():
    if 'Could not import OneDL' not in _line:
        print(_line)
