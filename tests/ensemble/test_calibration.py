"""Platt scaling: known curves are found again, and matching is worked by hand."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize

from mmcellseg.ensemble.calibration import fit_curves, fit_platt, load_calibration, logit, match_hits


def test_the_fit_is_the_minimum_of_platts_loss(rng):
    for number in (5, 30, 300):
        scores = rng.random(number)
        hits = rng.random(number) < scores
        target = np.where(hits, (hits.sum() + 1) / (hits.sum() + 2), 1 / ((~hits).sum() + 2))

        def loss(curve, scores=scores, target=target):
            z = curve[0] * logit(scores) + curve[1]
            return (np.logaddexp(0, z) - target * z).sum()

        best = minimize(loss, [1.0, 0.0], method='Nelder-Mead', options={'xatol': 1e-8, 'fatol': 1e-12})
        np.testing.assert_allclose(fit_platt(scores, hits), best.x, atol=1e-3)


def test_a_ranking_is_never_reversed():
    assert fit_platt(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False])) == (0.0, 0.0)
    slope, offset = fit_platt(np.array([0.1, 0.9]), np.array([False, False]))
    assert slope >= 0
    assert np.isfinite(offset)


def test_hits_are_one_to_one_best_score_first(rectangles):
    truth = rectangles([(0, 0, 10, 10, 1, 1), (20, 0, 30, 10, 1, 2), (0, 20, 10, 30, 1, 1), (0, 20, 10, 28, 1, 1)])
    found = rectangles(
        [
            (0, 0, 10, 9, 0.5, 1),  # the cell is taken by the next one, of a better score
            (0, 0, 10, 8, 0.9, 1),
            (20, 0, 30, 10, 0.9, 1),  # of another class
            (20, 0, 30, 5, 0.1, 2),  # IoU 0.5 exactly
            (40, 0, 45, 5, 0.9, 1),
            (0, 20, 10, 30, 0.9, 1),
            (0, 20, 10, 30, 0.8, 1),  # gets its second-best cell
            (0, 20, 10, 30, 0.7, 1),
        ]
    )
    hits = match_hits(found.masks, found.labels, found.scores, truth.masks, truth.labels)
    assert hits.tolist() == [False, True, False, True, False, True, True, False]


def test_rare_classes_take_the_members_curve(tmp_path, rng):
    scores, labels = rng.random(400), np.where(np.arange(400) < 390, 1, 2)
    hits = rng.random(400) < scores
    fitted = {'a': fit_curves(scores, labels, hits), 'b': fit_curves(scores[:0], labels[:0], hits[:0])}
    assert set(fitted['a']) == {'all', '1'}
    assert fitted['b'] == {}
    (tmp_path / 'c.json').write_text(json.dumps(fitted))
    assert load_calibration(tmp_path / 'c.json') == fitted


@pytest.mark.parametrize('content', ['{"a": {"1": [1]}}', '{"a": {"1"', '[]'])
def test_a_file_of_another_form_names_itself(tmp_path, content):
    (tmp_path / 'c.json').write_text(content)
    with pytest.raises(ValueError, match=r'c\.json: expected member → category'):
        load_calibration(tmp_path / 'c.json')
