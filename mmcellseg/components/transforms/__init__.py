from .load_cell_annotations import LoadCellAnnotations  # registers
from .load_tiff_image import LoadTiffImage  # registers
from .random_rotate90 import RandomRotate90  # registers
from .rare_class_copy_paste import RareClassCopyPaste  # registers
from .stain_jitter import StainJitter  # registers
from .swap_axes import SwapAxes  # registers
