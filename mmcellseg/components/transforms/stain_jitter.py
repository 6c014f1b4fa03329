"""StainJitter: other amounts of haematoxylin and eosin on the same tissue."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

# Optical density of haematoxylin, eosin and DAB in red, green and blue (Ruifrok and Johnston, Quantification of
# histochemical staining by color deconvolution, 2001), each row of length 1.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
DENSITY = -np.log((np.arange(256) + 1) / 256).astype(np.float32)


def change_stains(image: np.ndarray, factor: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Multiply each stain by ``factor`` (3,) and add ``offset`` (3,), in optical density.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    matrix = (np.linalg.inv(STAINS) * factor) @ STAINS
    density = DENSITY[image] @ matrix.astype(np.float32) + (offset @ STAINS).astype(np.float32)
    return (np.exp(-density) * 256 - 1).round().clip(0, 255).astype(np.uint8)


@TRANSFORMS.register_module()
class StainJitter(BaseTransform):
    """Vary the stains at random, each by itself, after Tellez et al., IEEE Transactions on Medical Imaging 2018.

    Draws from numpy's global generator, as MMDetection's transforms do.

    Required Keys: img (uint8, BGR)

    Modified Keys: img

    Args:
        strength: Below 1. Factors lie in 1 ± strength, offsets in ± strength / 4 (of optical density).
        prob: Share of the images that are changed.
    """

    def __init__(self, strength: float = 0.2, prob: float = 0.5) -> None:
        self.strength, self.prob = strength, prob

    def transform(self, results: dict) -> dict:
        if np.random.rand() < self.prob:
            factor = np.random.uniform(1 - self.strength, 1 + self.strength, 3)
            offset = np.random.uniform(-self.strength / 4, self.strength / 4, 3)
            changed = change_stains(results['img'][..., ::-1], factor, offset)
            results['img'] = np.ascontiguousarray(changed[..., ::-1])
        return results
