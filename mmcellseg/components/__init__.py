"""All that MMDetection's registries build; importing it registers everything."""

from . import quiet_mmdet  # isort: split

from . import checkpoint, datasets, fusions, hooks, inferencer, metrics, models, samplers, transforms, visualizer
