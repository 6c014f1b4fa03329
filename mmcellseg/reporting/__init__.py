from .visualizer import CellVisualizer  # registers
