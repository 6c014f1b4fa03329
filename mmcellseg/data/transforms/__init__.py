from .load_tiff_image import LoadTiffImage  # registers
