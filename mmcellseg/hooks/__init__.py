from .atomic_checkpoint_hook import AtomicCheckpointHook  # registers
from .cell_visualization_hook import CellVisualizationHook  # registers
from .epoch_seed_hook import EpochSeedHook  # registers
from .exposure_hook import ExposureHook  # registers
