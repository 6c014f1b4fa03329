"""The members of an ensemble: where their predictions are, and whether they can be merged."""

import filecmp
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..structures.coco import image_sizes, read_coco
from ..structures.files import atomic_write
from ..structures.results import ResultsError, ResultsFile, refuse
from ..structures.results_rules import EMPTY_MASK, LISTED_COUNTS, examine
from ..structures.run_files import ENSEMBLE_NAME, RESULTS_NAME, newest


@dataclass(frozen=True)
class Member:
    """One model of an ensemble.

    Args:
        name: Its name in messages, scores and the calibration.
        results: Its predictions file, or the folder of its runs (``find_results``).
        weight: Relative to the other members.
        config: Its config file, for ``--run-missing`` only.
        checkpoint: The same; default: the best or else the last one in the folder of its runs.
        oof: Predictions file or files of images with annotations that it was not trained on (validation or
            out-of-fold), for the choice of members and for calibration.
    """

    name: str
    results: str
    weight: float = 1.0
    config: str | None = None
    checkpoint: str | None = None
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
    """The predictions file itself, or the newest one of a folder of runs.

    A folder's own ``test-results.json`` comes first, then that of the newest of its runs (``<timestamp>/``) by the time
    in their records.

    Raises:
        ResultsError: There is none.
    """
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


@dataclass(frozen=True)
class Form:
    """The sum of the forms that ``examine`` finds, and the first entry whose box fits its mask better as xyxy."""

    votes: int = 0
    first: int | None = None

    def __add__(self, other: 'Form') -> 'Form':
        first = min((f for f in (self.first, other.first) if f is not None), default=None)
        return Form(self.votes + other.votes, first)

    def refuse_corners(self, path: Path) -> None:
        """Raise ``ResultsError`` if the boxes of this file fit its masks better as xyxy than as xywh."""
        if self.votes < 0:
            raise ResultsError(
                f'{path}: its boxes fit its masks better as x0, y0, x1, y1 than as x, y, width, height (by '
                f'{-self.votes} entries, the first is entry {self.first}); nothing was written: convert them'
            )


class Checked(NamedTuple):
    """One image's entries without those of an empty mask, how many these were, and the form of the boxes."""

    entries: list[dict[str, Any]]
    empty: int
    form: Form


def read_checked(file: ResultsFile, image_id: int, images: ImageSet) -> Checked:
    """One image's entries, held against the rules.

    Raises:
        ResultsError: An entry breaks another rule of ``examine``.
    """
    entries = file.read(image_id)
    places = file.indices(image_id)
    sizes = {image_id: images.sizes[image_id]}
    violations, forms = examine(entries, sizes, images.categories, places=places)
    empty = {violation.index for violation in violations if violation.rule == EMPTY_MASK}
    wrong = [v for v in violations if v.index not in empty and v.rule != LISTED_COUNTS]
    refuse(file.path, wrong, 'nothing was written')
    kept = [entry for place, entry in zip(places.tolist(), entries) if place not in empty]
    corners = places[forms < 0]
    return Checked(kept, len(empty), Form(int(forms.sum()), int(corners[0]) if len(corners) else None))


def check_members(files: Sequence[ResultsFile], images: ImageSet) -> None:
    """Hold all entries of the files against the rules, an image in memory; says what ``merge_files`` would say.

    Raises:
        ResultsError: An entry breaks a rule of ``examine`` other than that of empty masks, or a file's
            boxes fit its masks better as xyxy than as xywh.
    """
    for file in tqdm(files, 'check members', unit='file', leave=False):
        forms = (read_checked(file, image_id, images).form for image_id in file.image_ids)
        sum(forms, Form()).refuse_corners(file.path)
