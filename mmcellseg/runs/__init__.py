"""What starts, records and repeats runs."""

from .. import components  # first: it imports MMDetection without its remarks
