"""Instance segmentation of cells with MMDetection.

``custom_imports=dict(imports=['mmcellseg'])`` in a config registers every component of this package.
"""

from . import data, ensemble, evaluation, hooks, models, reporting, structures

__version__ = '0.1.0'
