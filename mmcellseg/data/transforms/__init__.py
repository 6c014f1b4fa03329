from .load_tiff_image import LoadTiffImage  # registers
from .rare_class_copy_paste import RareClassCopyPaste  # registers
