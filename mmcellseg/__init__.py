"""Instance segmentation of cells with MMDetection.

``custom_imports = dict(imports=['mmcellseg.components'])`` in a config registers all that MMDetection builds by name.
This module imports nothing, so that tools that need no model start in a moment.
"""

__version__ = '0.1.0'
