"""Crops of one scan are told from strangers by their corners and edges."""

import cv2
import numpy as np
import pytest

from mmcellseg.data.same_tissue import (
    EDGE_CORRELATION,
    EDGE_EVIDENCE,
    Edge,
    displacement,
    edge_evidence,
    fingerprint,
    overlaps,
    tissue_links,
)


def scan(seed, size=320):
    """Smooth noise at two scales, RGB uint8."""
    rng = np.random.default_rng(seed)
    x = sum(cv2.GaussianBlur(rng.standard_normal((size, size, 3)), (0, 0), s) * s for s in (2.0, 6.0))
    return (128 + 60 * x / x.std()).clip(0, 255).astype(np.uint8)


def changed(image, gain, offset):
    return (image * gain + offset).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(('x', 'y'), [(100, 60), (-100, 60), (0, 0), (120, -110)])
def test_displacement_is_found_to_the_pixel(x, y):
    tile = scan(0, 400)
    a, b = tile[120:320, 120:320], changed(tile[120 + y : 320 + y, 120 + x : 320 + x], 0.9, 15)
    found, votes = displacement(fingerprint(a), fingerprint(b))
    assert np.abs(found - (x, y)).max() <= 1
    assert votes >= 2
    assert overlaps(fingerprint(a), fingerprint(b))
    assert overlaps(fingerprint(b), fingerprint(a))


def test_a_small_crop_lies_in_a_large_one():
    tile = scan(1)
    assert overlaps(fingerprint(tile), fingerprint(changed(tile[130:230, 40:160], 1.1, -10)))


def test_strangers_do_not_overlap():
    prints = [fingerprint(scan(seed, 200)) for seed in range(8)]
    assert list(tissue_links(prints)) == []


def test_neighbours_on_all_sides_are_linked_and_the_diagonal_is_not():
    tile = scan(2)
    quarters = [tile[:160, :160], tile[:160, 160:], tile[160:, :160], tile[160:, 160:]]
    prints = [fingerprint(changed(q, gain, 5)) for q, gain in zip(quarters, (1.0, 0.9, 1.1, 0.95))]
    assert set(tissue_links(prints)) == {(0, 1), (0, 2), (1, 3), (2, 3)}
    # in any order of the images
    assert set(tissue_links(prints[::-1])) == {(2, 3), (1, 3), (0, 2), (0, 1)}


def test_neighbours_of_other_heights_are_linked():
    tile = scan(3, 400)
    left, right = tile[:300, :150], tile[100:250, 150:]
    assert list(tissue_links([fingerprint(left), fingerprint(right)])) == [(0, 1)]


def slow_evidence(first, second):
    x, y = first.values.astype(float), second.values.astype(float)
    shorter, best = min(len(x), len(y)), 0.0
    for shift in range(-len(y) + 1, len(x)):
        pairs = [(x[i + shift], y[i]) for i in range(len(y)) if 0 <= i + shift < len(x)]
        if len(pairs) < max(96, shorter // 2):
            continue
        a, b = np.array(pairs).T
        r = (a @ b) / np.sqrt((a @ a) * (b @ b))
        if r >= 0.85:
            n = (a @ a) * (b @ b) / (a * a @ (b * b)) / np.sqrt(first.period * second.period)
            best = max(best, np.arctanh(min(r, 0.999)) * np.sqrt(n) * (1.0 if len(a) >= 0.95 * shorter else 0.7))
    return best


def test_edge_evidence_equals_the_slow_sum(rng):
    line = 20 * rng.standard_normal(260)
    first = Edge(line[:180].astype(np.float32), 2.0)
    others = [
        Edge((line[a:b] + 4 * rng.standard_normal(b - a)).astype(np.float32), period)
        for a, b, period in ((0, 180, 1.0), (20, 220, 3.0), (60, 260, 2.0), (30, 150, 2.0), (0, 90, 1.0))
    ]
    others.append(Edge((20 * rng.standard_normal(200)).astype(np.float32), 1.0))
    expected = [slow_evidence(first, other) for other in others]
    np.testing.assert_allclose(edge_evidence(first, others), expected, rtol=1e-4)
    assert expected[0] > expected[2] > 0
    assert expected[-2:] == [0, 0]  # 90 px are too short; a stranger


def test_one_spot_on_blank_edges_is_no_evidence():
    grid = np.arange(200)
    first, second = (
        Edge((50 * np.exp(-(((grid - 100) / width) ** 2)) + 0.1 * np.sin(grid * width)).astype(np.float32), 1.7 * width)
        for width in (5.0, 8.0)
    )
    r = first.values @ second.values / np.linalg.norm(first.values) / np.linalg.norm(second.values)
    assert r > EDGE_CORRELATION
    assert 0 < edge_evidence(first, [second])[0] < EDGE_EVIDENCE
    blank = fingerprint(np.full((200, 200, 3), 240, np.uint8))
    assert not any(edge.values.any() for edge in blank.edges.values())
    assert list(tissue_links([blank, blank])) == []


@pytest.mark.parametrize('shape', [(1, 1), (2, 300), (300, 2), (15, 15), (33, 35)])
def test_tiny_images_are_no_trouble(shape):
    tiny = fingerprint(scan(5)[: shape[0], : shape[1]])
    assert list(tissue_links([tiny, fingerprint(scan(6)), tiny])) in ([], [(0, 2)])


def test_one_or_no_image_has_no_links():
    assert list(tissue_links([])) == []
    assert list(tissue_links([fingerprint(scan(7))])) == []
