"""The formats of cells, by the names that command lines take."""

from .geojson import GeoJsonGzWriter, GeoJsonWriter, read_geojson
from .imagej_roi import ImagejRoiWriter
from .label_tiff import LabelTiffWriter, read_label_tiff
from .writer import CocoResultsWriter, CsvWriter, Writer

FORMATS: dict[str, type[Writer]] = {
    'geojson': GeoJsonWriter,
    'geojson.gz': GeoJsonGzWriter,
    'label-tiff': LabelTiffWriter,
    'imagej-roi': ImagejRoiWriter,
    'csv': CsvWriter,
    'coco': CocoResultsWriter,
}
READERS = {'geojson': read_geojson, 'label-tiff': read_label_tiff}
