"""Anchor sets, named by their sides at ratio 1 in pixels of the network's input (after any Resize).

Side = scale × stride; one scale and three ratios (height / width) a level, five levels of the FPN.
"""

anchors = dict(
    a32_512=dict(type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
    a16_256=dict(type='AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
    # Most cells are 10 to 60 px across (medians of 278 to 2357 px² a class).
    a8_128=dict(type='AnchorGenerator', scales=[2], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
    # Two scales a level, half an octave apart, on the same range: 8, 11, 16, 23, … px.
    a8_181=dict(type='AnchorGenerator', scales=[2, 2.83], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
    # What anchor_recall.py suggests for CoNSeP, whose cells are seldom under 9 px across.
    a11_256=dict(type='AnchorGenerator', scales=[2.83, 4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
)
