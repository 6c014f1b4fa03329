"""Figures from a predictions file and a COCO json: AP, panoptic quality, centroid F1, kinds of error."""
