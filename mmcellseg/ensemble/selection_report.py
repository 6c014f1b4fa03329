"""The outcome of a selection of members: a table to read, and a config to merge them with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .members import Member
from .selection import Selection


def _agreement_table(selection: Selection) -> list[str]:
    """Agreement of every two members: numbered rows, and columns that bear the numbers."""
    names = sorted(selection.own, key=lambda name: -selection.own[name])
    columns = range(1, len(names))
    lines = [f'| agreement | {" | ".join(map(str, columns))} |', '|---' * len(names) + '|']
    for row, name in enumerate(names):
        both = selection.agreement
        values = [both[(a, name)] if (a, name) in both else both[(name, a)] for a in names[:row]]
        cells = [f'{value:.3f}' for value in values] + [''] * (len(names) - 1 - row)
        lines.append(f'| {" | ".join([f"{row + 1} {name}", *cells])} |')
    return lines if len(names) > 1 else []


def selection_table(selection: Selection) -> str:
    """Markdown: members by their own figure, the agreement of every two, the draws, the figures of the outcome."""
    lines = [
        f'| member | {selection.metric} | gain of having it | mean agreement | nearest member | weight |',
        '|---|---|---|---|---|---|',
    ]
    for name, figure in sorted(selection.own.items(), key=lambda item: -item[1]):
        others = {(b if a == name else a): value for (a, b), value in selection.agreement.items() if name in (a, b)}
        mean = sum(others.values()) / len(others) if others else math.nan
        nearest = max(others, key=lambda other: others[other], default='-')
        gain = selection.without.get(name, math.nan)
        lines.append(
            f'| {name} | {figure:.4f} | {gain:+.4f} | {mean:.3f} | {nearest} | {selection.weights.get(name, 0)} |'
        )
    lines += ['', *_agreement_table(selection), '', '| draw | member | figure |', '|---|---|---|']
    lines += [f'| {n} | {name} | {figure:.4f} |' for n, (name, figure) in enumerate(selection.steps, 1)]
    on, apart = selection.images
    lines += [
        '',
        f'| {selection.metric} | on the {on} images chosen on | on the {apart} kept apart |',
        '|---|---|---|',
        f'| all members | {selection.everyone[0]:.4f} | {selection.everyone[1]:.4f} |',
        f'| the chosen | {selection.chosen_on:.4f} | {selection.kept_apart:.4f} |',
    ]
    return '\n'.join(lines)


def selection_config(selection: Selection, members: Sequence[Member], settings: Mapping[str, Any]) -> str:
    """The text of a config of configs/ensembles/ with the chosen members and their weights.

    ``settings`` are its other variables: fusion, ann_file, out_dir and, if known, ids_file.
    """
    on, apart = selection.images
    lines = [
        f'"""{len(selection.weights)} of {len(members)} members, chosen greedily by {selection.metric}.',
        '',
        f'{selection.chosen_on:.4f} on the {on} images chosen on, {selection.kept_apart:.4f} on the {apart} kept '
        f'apart; all members reach {selection.everyone[0]:.4f} and {selection.everyone[1]:.4f}.',
        '"""',
        '',
        *(f'{name} = {value!r}' for name, value in settings.items()),
        'members = [',
    ]
    for member in members:
        if member.name in selection.weights:
            fields = {k: v for k, v in asdict(member).items() if v is not None}
            fields['weight'] = float(selection.weights[member.name])
            lines.append(f'    dict({", ".join(f"{k}={v!r}" for k, v in fields.items())}),')
    lines += [']', "custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)", '']
    return '\n'.join(lines)
