"""The formats that cells are written in, by the names that command lines take."""

from .coco_results import CocoResultsWriter
from .geojson import GeoJsonGzWriter, GeoJsonWriter
from .imagej_roi import ImagejRoiWriter
from .label_tiff import LabelTiffWriter
from .table import CsvWriter
from .writer import Writer

FORMATS: dict[str, type[Writer]] = {
    'geojson': GeoJsonWriter,
    'geojson.gz': GeoJsonGzWriter,
    'label-tiff': LabelTiffWriter,
    'imagej-roi': ImagejRoiWriter,
    'csv': CsvWriter,
    'coco': CocoResultsWriter,
}
