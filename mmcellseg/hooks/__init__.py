from .atomic_checkpoint_hook import AtomicCheckpointHook  # registers
from .cell_visualization_hook import CellVisualizationHook  # registers
from .data_fault_hook import DataFaultHook  # registers
from .epoch_seed_hook import EpochSeedHook  # registers
from .exposure_hook import ExposureHook  # registers
from .record_hook import RecordHook  # registers
