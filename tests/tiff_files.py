"""TIFFs, sound and damaged."""

import tifffile


def save(path, array, **options):
    tifffile.imwrite(path, array, metadata=None, **options)
    return path


def rewrite(path, **tags):
    """Overwrite tags of the first page with a value, or with what a function makes of the old one."""
    with tifffile.TiffFile(path, mode='r+b') as file:
        for name, change in tags.items():
            tag = file.pages[0].tags[name]
            tag.overwrite(change(tag.value) if callable(change) else change)
    return path
