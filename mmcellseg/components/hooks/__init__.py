from . import (
    atomic_checkpoint_hook,
    bfloat16_hook,
    cell_visualization_hook,
    data_fault_hook,
    detection_cap_hook,
    ensemble_hook,
    epoch_seed_hook,
    exposure_hook,
    record_hook,
    train_split_metric_hook,
    validation_loss_hook,
)
