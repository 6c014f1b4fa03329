"""Whether a model's caps on detections and proposals cut cells off."""

from collections.abc import Mapping

_NAMED = 20  # images that a message names


def detection_caps(test_cfg: Mapping, prefix: str = 'model.test_cfg') -> dict[str, int]:
    """The caps of a detector's ``test_cfg`` by the full name of their key: every ``max_per_img`` (or ``_image``)."""
    caps: dict[str, int] = {}
    for key, value in test_cfg.items():
        if isinstance(value, Mapping):
            caps |= detection_caps(value, f'{prefix}.{key}')
        elif key in ('max_per_img', 'max_per_image') and isinstance(value, int) and value > 0:
            caps[f'{prefix}.{key}'] = value
    return caps


def caps_reached(counts: Mapping[str, int], caps: Mapping[str, int]) -> list[str]:
    """A message for each cap that was reached by the detections of images (name → number), with what to set.

    Proposals reach their cap in almost every image, most of them with scores of no cell. So they are looked at through
    the detections: a cell takes more than one, and they run out where half as many detections are found.
    """
    messages = []
    for key, cap in caps.items():
        least = cap
        found, remedy = f'as many detections as {key}={cap} allows', 'a cap on proposals to twice that'
        if '.rpn.' in key:
            least = cap // 2 + 1
            found, remedy = f'more than half as many detections as {key}={cap} allows proposals', 'nms_pre beside it'
        images = [name for name, number in counts.items() if number >= least]
        if images:
            listed = ', '.join(images[:_NAMED]) + (f' and {len(images) - _NAMED} more' if len(images) > _NAMED else '')
            begin = f'{len(images)} of {len(counts)} images have {found}, so that cells may be missing'
            messages.append(f'{begin}: {listed}. Raise it, and {remedy}')
    return messages
