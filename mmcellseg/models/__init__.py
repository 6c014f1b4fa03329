from .chunked_max_iou_assigner import ChunkedMaxIoUAssigner  # registers
