"""All that MMDetection's registries build; importing it registers everything."""

from . import quiet_mmdet  # isort: split

from . import checkpoint, datasets, fusions, hooks, metrics, models, samplers, transforms, visualizer
