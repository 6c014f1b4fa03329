"""How many proposals and detections an image may have, and the NMS among detections.

RPN: ``nms_pre`` boxes a level before, ``max_per_img`` boxes an image after its NMS, in training and test; a set with
``rpn_train`` has others in training.
RCNN: ``max_per_img`` detections an image, at most half as many, because more than one proposal hits each cell.
"""

caps = dict(
    # The densest tiles known here hold 772 (real set) and 2,283 cells (CoNSeP): no cell is cut off.
    rpn5k=dict(rpn=dict(nms_pre=5000, max_per_img=5000), rcnn=dict(max_per_img=2500)),
    # Crops of 256 px hold a few hundred cells at most, and NMS takes time by the square of its boxes.
    rpn5k_train1k=dict(
        rpn_train=dict(nms_pre=1000, max_per_img=1000),
        rpn=dict(nms_pre=5000, max_per_img=5000),
        rcnn=dict(max_per_img=2500),
    ),
    rpn3k=dict(rpn=dict(nms_pre=3000, max_per_img=3000), rcnn=dict(max_per_img=1500)),
    rpn2k=dict(rpn=dict(nms_pre=2000, max_per_img=2000), rcnn=dict(max_per_img=1000)),
    # torchvision's own values, named by those at test: at most 100 cells an image are ever found.
    rpn1k_det100=dict(
        rpn_train=dict(nms_pre=2000, max_per_img=2000),
        rpn=dict(nms_pre=1000, max_per_img=1000),
        rcnn=dict(max_per_img=100),
    ),
)
