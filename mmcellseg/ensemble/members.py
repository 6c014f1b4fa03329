"""The members of an ensemble: where their predictions are, and whether they can be merged."""

import filecmp
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..structures.coco import image_sizes, read_coco
from ..structures.files import atomic_write
from ..structures.results import Entry, ResultsError, ResultsFile, refuse
from ..structures.results_rules import EMPTY_MASK, LISTED_COUNTS, examine
from ..structures.run_files import ENSEMBLE_NAME, RESULTS_NAME, newest

# Member name → image id → entries
Predictions = Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True)
class Member:
    """One model of an ensemble."""

    name: str  # in messages, scores and the calibration
    results: str  # its predictions file, or the folder of its runs (see find_results)
    weight: float = 1.0  # relative to the other members
    config: str | None = None  # for --run-missing and for predicting new images only
    checkpoint: str | None = None  # the same; default: the best or else the last one in the folder of its runs
    # Predictions of images with annotations that it was not trained on, for the choice of members and calibration
    oof: str | Sequence[str] | None = None


def write_ensemble(
    folder: Path, members: Sequence[Member], fusion: Mapping[str, Any], ann_file: str | os.PathLike
) -> Path:
    """Write which predictions files were merged, how, and of which images; the report shows what each one adds."""
    listed = [{'name': m.name, 'results': str(find_results(m.results).resolve()), 'weight': m.weight} for m in members]
    content = {'ann_file': str(Path(ann_file).resolve()), 'fusion': fusion, 'members': listed}
    return atomic_write(folder / ENSEMBLE_NAME, json.dumps(content, indent=1) + '\n')


class ImageSet(NamedTuple):
    """The images to merge: id → (height, width) in px, the category ids, and whether there are annotations."""

    sizes: dict[int, tuple[int, int]]
    categories: list[int]
    annotated: bool


def read_image_set(ann_file: str | os.PathLike) -> ImageSet:
    """The images of a COCO json with or without annotations. Raises ``CocoError`` as ``read_coco``."""
    coco = read_coco(ann_file)
    return ImageSet(image_sizes(coco), [c['id'] for c in coco['categories']], bool(coco.get('annotations')))


def find_results(path: str | os.PathLike) -> Path:
    """The predictions file itself, or that of a folder of runs: its own ``test-results.json``, or the newest run's."""
    path = Path(path)
    if path.is_dir():
        own = path / RESULTS_NAME
        found = own if own.is_file() else newest(path, RESULTS_NAME)
        if found is None:
            raise ResultsError(f'{path}: neither it nor a run in it has a {RESULTS_NAME}; test the member first')
        return found
    if not path.is_file():
        raise ResultsError(f'{path}: there is no such predictions file; test the member first')
    return path


def open_members(members: Sequence[Member], images: ImageSet) -> list[ResultsFile]:
    """Index the members' files, refusing what cannot be merged.

    Raises:
        ResultsError: No member; one listed twice (by name, by file, or as a copy of a file); a missing, truncated
            or foreign file; predictions of images that are not in the image set.
    """
    if not members:
        raise ResultsError('an ensemble needs at least one member')
    names = [member.name for member in members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        places = {name: ' and '.join(str(m.results) for m in members if m.name == name) for name in twice}
        raise ResultsError('members listed twice: ' + '; '.join(f'{n!r} ({at})' for n, at in places.items()))
    paths = [find_results(member.results) for member in members]
    for i, path in enumerate(paths):
        for j in range(i):
            same = os.path.samefile(path, paths[j])
            if same or (path.stat().st_size > 4 and filecmp.cmp(path, paths[j], shallow=False)):
                raise ResultsError(f'{path}: members {names[j]!r} and {names[i]!r} have the same predictions')
    files = [ResultsFile(path) for path in paths]
    for file in files:
        if strangers := sorted(set(file.image_ids) - set(images.sizes)):
            index = int(file.indices(strangers[0])[0])
            raise ResultsError(
                f'{file.path}: entry {index} is of image {strangers[0]}, and {len(strangers)} images in all are '
                f'not among the {len(images.sizes)} to merge: it belongs to another image set'
            )
    return files


class Checked(NamedTuple):
    """One image's entries without those of an empty mask, how many these were, and the form of the boxes.

    The form is (votes for xywh less those for xyxy, first entry that votes for xyxy or a number above all).
    """

    entries: list[Entry]
    empty: int
    form: tuple[int, int]


def read_checked(file: ResultsFile, image_id: int, images: ImageSet) -> Checked:
    """One image's entries, held against the rules.

    Raises ``ResultsError`` for an entry that breaks a rule of ``examine`` other than that of empty masks.
    """
    entries = file.read(image_id)
    places = file.indices(image_id)
    violations, forms = examine(entries, {image_id: images.sizes[image_id]}, images.categories, places=places)
    empty = {violation.index for violation in violations if violation.rule == EMPTY_MASK}
    wrong = [v for v in violations if v.index not in empty and v.rule != LISTED_COUNTS]
    refuse(file.path, wrong, 'nothing was written')
    kept = [entry for place, entry in zip(places.tolist(), entries) if place not in empty]
    first = places[forms < 0].min(initial=np.iinfo(np.int64).max)
    return Checked(kept, len(empty), (int(forms.sum()), int(first)))


def refuse_corners(path: Path, forms: Sequence[tuple[int, int]]) -> None:
    """Raise ``ResultsError`` if the boxes of a file, by the forms of its images, fit its masks better as xyxy."""
    votes = sum(votes for votes, _ in forms)
    if votes < 0:
        raise ResultsError(
            f'{path}: its boxes fit its masks better as x0, y0, x1, y1 than as x, y, width, height (by '
            f'{-votes} entries, the first is entry {min(first for _, first in forms)}); nothing was written: '
            'convert them'
        )


def check_members(files: Sequence[ResultsFile], images: ImageSet) -> None:
    """Hold all entries of the files against the rules, an image in memory; says what ``merge_files`` would say."""
    for file in tqdm(files, 'check members', unit='file', leave=False):
        refuse_corners(file.path, [read_checked(file, image_id, images).form for image_id in file.image_ids])


def share_out_of_fold(members: Sequence[Member]) -> list[list[Member]]:
    """The members in groups of the same ``oof`` files, in their order.

    Such are the models of the folds of one cross-validation: of each image with known truth, only one has not seen it.
    Measured there, a group is one member.
    """
    groups: dict[str, list[Member]] = {}
    for member in members:
        groups.setdefault(json.dumps(member.oof or member.name), []).append(member)
    return list(groups.values())


def read_out_of_fold(members: Sequence[Member], images: ImageSet) -> dict[str, dict[int, list[Entry]]]:
    """Each member's predictions of images with known truth: its ``oof`` files, joined.

    Raises:
        ValueError: A member has none.
        ResultsError: One of the files is not in order, as ``merge_files`` has it; two of a member have an image.
    """
    out = {}
    for member in members:
        if not member.oof:
            raise ValueError(f'member {member.name!r} has no oof: predictions of images with annotations')
        joined: dict[int, list[Entry]] = {}
        for path in [member.oof] if isinstance(member.oof, str) else member.oof:
            (file,) = open_members([Member(member.name, path)], images)
            for image_id in file.image_ids:
                if image_id in joined:
                    raise ResultsError(f'{path}: another oof file of member {member.name!r} has image {image_id} too')
                joined[image_id] = read_checked(file, image_id, images).entries
        out[member.name] = joined
    return out
