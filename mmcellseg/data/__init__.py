"""From class TIFFs to COCO json and folds."""
