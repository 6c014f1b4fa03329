from .exposure_hook import ExposureHook  # registers
