"""Drawn H&E-like tissue: stains add as optical densities, and cells are drawn in their own windows."""

import cv2
import numpy as np

HAEMATOXYLIN = (0.60, 0.74, 0.30)  # optical density of one unit of stain in R, G, B
EOSIN = (0.17, 0.90, 0.34)
MAX_OVERLAP = 0.12  # of a new cell may lie on earlier ones; it is cut off, and the two cells touch
TRIES = 60

Window = tuple[slice, ...]


# Long over short axis, lowest and highest, and amplitude of the outline's harmonics as a part of the radius
OUTLINES = (
    (1.15, 1.9, 0.06),  # 1: epithelial, oval and vesicular
    (1.0, 1.25, 0.03),  # 2: lymphocyte, small, round and dense
    (1.0, 1.3, 0.07),  # 3: neutrophil, dark lobes in pink cytoplasm
    (1.0, 1.5, 0.10),  # 4: macrophage, large and foamy
)


def noise(rng: np.random.Generator, height: int, width: int, grain: float) -> np.ndarray:
    """Smooth float32 noise (height, width) of mean 0 and deviation 1 whose spots measure ``grain`` px."""
    small = rng.standard_normal((int(height / grain) + 2, int(width / grain) + 2)).astype(np.float32)
    big = cv2.resize(small, None, fx=grain, fy=grain, interpolation=cv2.INTER_CUBIC)[:height, :width]
    return (big - big.mean()) / max(float(big.std()), 1e-6)


def fibres(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise drawn out along a slowly turning direction, as collagen is. float32 (height, width)."""
    side = int(np.hypot(height, width)) + 32
    strands = cv2.resize(noise(rng, side, max(side // 9, 8), 2.5), (side, side), interpolation=cv2.INTER_CUBIC)
    yy, xx = np.mgrid[:height, :width].astype(np.float32)
    yy, xx = yy - height / 2, xx - width / 2
    angle = rng.uniform(0, np.pi)
    warp = 14 * noise(rng, height, width, 70)
    along = (np.cos(angle) * xx + np.sin(angle) * yy + side / 2).astype(np.float32)
    across = (np.cos(angle) * yy - np.sin(angle) * xx + warp + side / 2).astype(np.float32)
    return cv2.remap(strands, along, across, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


class Tissue:
    """A field of view that cells are placed into one by one, and that is stained at the end.

    ``instances`` (H, W) int32 holds the cell that owns a pixel (1 for the first placed, 0 for none);
    ``labels`` their classes, counted from 0. Cells never overlap: a new one loses the pixels that are taken.
    """

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.instances = np.zeros((height, width), np.int32)
        self.labels: list[int] = []
        self._centres: list[tuple[float, float, float]] = []  # y, x, radius
        self._stain = np.zeros((height, width, 2), np.float32)  # haematoxylin and eosin of the cells
        self._cover = np.zeros((height, width), np.float32)
        self._fine, self._coarse = noise(rng, 384, 384, 1.6), noise(rng, 384, 384, 3.5)

    def place(self, label: int, area: float) -> bool:
        """Draw a cell of about ``area`` px². False if no free place was found."""
        rng, (roundest, longest, wobble) = self.rng, OUTLINES[label]
        orders = np.arange(2, 6)
        amplitudes = rng.normal(0, wobble, 4) / np.sqrt(orders - 1)
        phases = rng.uniform(0, 2 * np.pi, 4)
        mean_radius = np.sqrt(area / (np.pi * (1 + 0.5 * np.sum(amplitudes**2))))
        aspect = np.sqrt(rng.uniform(roundest, longest))
        angle = rng.uniform(0, np.pi)
        reach = int(np.ceil(mean_radius * aspect * (1 + np.abs(amplitudes).sum()))) + 2
        yy, xx = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
        u = (np.cos(angle) * xx + np.sin(angle) * yy) / (mean_radius * aspect)
        v = (-np.sin(angle) * xx + np.cos(angle) * yy) / (mean_radius / aspect)
        rho, phi = np.hypot(u, v), np.arctan2(v, u)
        outline = 1 + sum(a * np.cos(k * phi + p) for a, k, p in zip(amplitudes, orders, phases))
        depth = ((outline - rho) * mean_radius).astype(np.float32)  # px inside the outline, negative outside
        filled = depth > 0
        least = 0.5 * np.count_nonzero(filled)
        for attempt in range(TRIES):
            y, x = self._propose(mean_radius, touching=attempt % 2 == 0)
            # The part of the cell's window that lies in the image, as slices of the image and of the window
            ends = min(y + reach + 1, self.height), min(x + reach + 1, self.width)
            image = slice(max(y - reach, 0), ends[0]), slice(max(x - reach, 0), ends[1])
            window = tuple(slice(s.start - at + reach, s.stop - at + reach) for s, at in zip(image, (y, x)))
            inside = filled[window]
            taken, pixels = np.count_nonzero(self.instances[image][inside]), np.count_nonzero(inside)
            if pixels >= least and taken <= MAX_OVERLAP * pixels:
                self._draw(label, depth, u, v, mean_radius, image, window)
                self._centres.append((y, x, mean_radius))
                return True
        return False

    def _propose(self, radius: float, touching: bool) -> tuple[int, int]:
        """A centre anywhere, or half of the times next to a cell that is there."""
        rng = self.rng
        if touching and self._centres:
            y, x, other = self._centres[rng.integers(len(self._centres))]
            angle, distance = rng.uniform(0, 2 * np.pi), (radius + other) * rng.uniform(0.95, 1.15)
            y, x = y + distance * np.sin(angle), x + distance * np.cos(angle)
            if 0 <= y < self.height and 0 <= x < self.width:
                return int(y), int(x)
        return int(rng.integers(self.height)), int(rng.integers(self.width))

    def _draw(
        self, label: int, depth: np.ndarray, u: np.ndarray, v: np.ndarray, radius: float, image: Window, window: Window
    ) -> None:
        y, x = self.rng.integers(0, 384 - 96, 2)
        size = (depth.shape[1], depth.shape[0])
        # A cell wider than the texture's patch gets it enlarged, so that no cell needs a texture of its own.
        patch = (slice(y, y + min(size[1], 96)), slice(x, x + min(size[0], 96)))
        fine, coarse = (
            cv2.resize(np.ascontiguousarray(t[patch]), size, interpolation=cv2.INTER_LINEAR)
            for t in (self._fine, self._coarse)
        )
        stain = INSIDES[label](self.rng, depth, u, v, radius, fine, coarse)
        owner = self.instances[image]
        mine = _largest_piece((depth[window] > 0) & (owner == 0))
        # The soft rim may blend into the background but not into a neighbour.
        cover = np.clip(depth[window] + 0.5, 0, 1) * (mine | (owner == 0))
        self._stain[image] += cover[..., None] * (stain[window] - self._stain[image])
        self._cover[image] = np.maximum(self._cover[image], cover)
        owner[mine] = len(self.labels) + 1
        self.labels.append(label)

    def stain(self) -> np.ndarray:
        """The stained image, uint8 (H, W, 3) RGB. Stain vectors and strengths differ from call to call."""
        rng, height, width = self.rng, self.height, self.width
        near = cv2.GaussianBlur(self._cover, (0, 0), 9)  # tissue holds together around cells
        gaps = noise(rng, height, width, 60) + 0.5 * noise(rng, height, width, 22)
        tissue = 1 / (1 + np.exp(-5 * (gaps + 4.5 * near + rng.uniform(0.2, 1.0))))
        eosin = 0.27 + 0.055 * fibres(rng, height, width) + 0.05 * noise(rng, height, width, 4)
        eosin += 0.10 * noise(rng, height, width, 45)
        haematoxylin = 0.09 + 0.03 * noise(rng, height, width, 3) + 0.05 * noise(rng, height, width, 30)
        ground = np.stack([haematoxylin + 0.12 * near, eosin], -1).clip(0, None) * (0.08 + 0.92 * tissue[..., None])
        self._red_cells(ground)
        cover = self._cover[..., None]
        density = ground * (1 - cover) + self._stain * cover
        density = cv2.GaussianBlur(density, (0, 0), rng.uniform(0.5, 0.85)).clip(0, None)
        vectors = np.array([HAEMATOXYLIN, EOSIN]) + rng.normal(0, 0.045, (2, 3))
        strengths = rng.uniform((0.8, 0.7), (1.25, 1.4))
        absorbed = density @ (vectors.clip(0.02) * strengths[:, None]).astype(np.float32)
        rgb = rng.uniform(236, 250) * np.exp(-absorbed) + rng.normal(0, 2.0, (height, width, 1))
        return rgb.clip(0, 255).astype(np.uint8)

    def _red_cells(self, ground: np.ndarray) -> None:
        """A few unlabelled erythrocytes: round and strongly coloured, but no nuclei."""
        for _ in range(self.rng.poisson(self.height * self.width / 40000)):
            y, x = self.rng.integers(self.height), self.rng.integers(self.width)
            for _ in range(self.rng.integers(1, 6)):
                centre = (int(x + self.rng.normal(0, 14)), int(y + self.rng.normal(0, 14)))
                cv2.circle(ground, centre, int(self.rng.integers(4, 7)), (0.06, self.rng.uniform(0.6, 0.85)), -1)


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return mask if count <= 2 else pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def _spot(u: np.ndarray, v: np.ndarray, at: tuple[float, float], size: float) -> np.ndarray:
    return np.exp(-((u - at[0]) ** 2 + (v - at[1]) ** 2) / size**2)


def _epithelial(rng, depth, u, v, radius, fine, coarse) -> np.ndarray:
    """Pale, granular inside, a dark nuclear membrane, one or two nucleoli."""
    haematoxylin = 0.62 + 0.2 * coarse + 0.12 * fine + 0.45 * np.exp(-((depth / 1.6) ** 2))
    for _ in range(rng.integers(1, 3)):
        haematoxylin += 0.7 * _spot(u, v, tuple(rng.uniform(-0.5, 0.5, 2)), 2.2 / radius)
    return np.stack([rng.uniform(0.85, 1.25) * haematoxylin, 0.28 + 0.05 * coarse], -1)


def _lymphocyte(rng, depth, u, v, radius, fine, coarse) -> np.ndarray:
    """Dense chromatin in clumps, without a rim."""
    haematoxylin = 1.45 + 0.28 * coarse + 0.12 * fine - 0.25 * np.exp(-((depth / 1.2) ** 2))
    return np.stack([rng.uniform(0.85, 1.15) * haematoxylin, 0.3 + 0.04 * fine], -1)


def _neutrophil(rng, depth, u, v, radius, fine, coarse) -> np.ndarray:
    """Two to four dark lobes on an arc, in granular pink cytoplasm."""
    lobes = np.zeros_like(depth)
    start, step = rng.uniform(0, 2 * np.pi), rng.uniform(1.2, 1.6)
    for k in range(rng.integers(2, 5)):
        at = (0.47 * np.cos(start + k * step), 0.47 * np.sin(start + k * step))
        lobes = np.maximum(lobes, _spot(u, v, at, rng.uniform(0.30, 0.38)))
    lobes = 1 / (1 + np.exp(-14 * (lobes - 0.45)))
    haematoxylin = 0.14 + lobes * (1.5 + 0.2 * fine)
    eosin = 0.62 + 0.10 * fine + 0.1 * np.exp(-((depth / 1.2) ** 2))
    return np.stack([haematoxylin, eosin * (1 - 0.5 * lobes)], -1)


def _macrophage(rng, depth, u, v, radius, fine, coarse) -> np.ndarray:
    """Foamy cytoplasm with vacuoles, and a bean-shaped nucleus off the centre."""
    angle = rng.uniform(0, 2 * np.pi)
    at = (0.35 * np.cos(angle), 0.35 * np.sin(angle))
    bean = _spot(u, v, at, 0.5) - 0.8 * _spot(u, v, (at[0] * 2.2, at[1] * 2.2), 0.3)
    nucleus = 1 / (1 + np.exp(-22 * (bean - 0.42)))
    rim = np.exp(-((depth / 1.5) ** 2))
    vacuoles = np.clip(coarse - 0.3, 0, 1.2)
    haematoxylin = 0.24 - 0.14 * vacuoles + 0.06 * fine + 0.12 * rim
    haematoxylin = haematoxylin * (1 - nucleus) + nucleus * (0.85 + 0.2 * coarse)
    eosin = (0.42 - 0.28 * vacuoles + 0.22 * rim) * (1 - 0.4 * nucleus)
    return np.stack([haematoxylin, eosin], -1)


INSIDES = (_epithelial, _lymphocyte, _neutrophil, _macrophage)
