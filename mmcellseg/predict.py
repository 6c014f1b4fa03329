"""A trained model on any image, from Python: ``predict.load(config, checkpoint)(image_or_path)``."""

from .runs.predictor import Predictor, load

__all__ = ['Predictor', 'load']
