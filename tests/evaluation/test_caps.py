from mmcellseg.evaluation.caps import caps_reached, detection_caps

RCNN, RPN = 'model.test_cfg.rcnn.max_per_img', 'model.test_cfg.rpn.max_per_img'


def test_caps_of_every_kind_of_detector() -> None:
    two_stage = {'rpn': {'nms_pre': 9, 'max_per_img': 2000}, 'rcnn': {'score_thr': 0.1, 'max_per_img': 1000}}
    assert detection_caps(two_stage) == {RPN: 2000, RCNN: 1000}
    assert detection_caps({'max_per_img': 100, 'nms': {'type': 'nms'}}) == {'model.test_cfg.max_per_img': 100}
    assert detection_caps({'max_per_image': 100}) == {'model.test_cfg.max_per_image': 100}
    assert detection_caps({'rcnn': {'max_per_img': -1}}) == {}  # no cap, as in MMDetection


def test_images_that_reach_a_cap_are_named_with_what_to_set() -> None:
    counts = {'a.tif': 1000, 'b.tif': 999, 'c.tif': 1000}
    (message,) = caps_reached(counts, {RCNN: 1000, RPN: 2000})
    assert message == (
        f'2 of 3 images have as many detections as {RCNN}=1000 allows, so that cells may be missing: a.tif, c.tif. '
        'Raise it, and a cap on proposals to twice that'
    )
    assert caps_reached({'b.tif': 999}, {RCNN: 1000, RPN: 2000}) == []
    # Proposals run out beyond half as many detections
    (message,) = caps_reached({'a.tif': 500, 'b.tif': 501}, {RCNN: 1000, RPN: 1000})
    assert message.startswith(f'1 of 2 images have more than half as many detections as {RPN}=1000 allows proposals')
    assert message.endswith('so that cells may be missing: b.tif. Raise it, and nms_pre beside it')
    # Of many images the first are named
    (message,) = caps_reached({f'{k}.tif': 9 for k in range(23)}, {'max_per_img': 9})
    assert '18.tif, 19.tif and 3 more. Raise it' in message
    assert '20.tif' not in message
