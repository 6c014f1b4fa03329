"""What a check of this machine found.

The modules of this folder import nothing but the standard library at their top, and old Pythons can read them: what
is missing or broken is what the checks are to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
SETUP = 'bash tools/setup_env.sh'


class Answer(NamedTuple):
    """What a check found: ``status`` is ok, warning or fail, ``advice`` what to do about it."""

    status: str
    text: str
    advice: str = ''
    figures: dict[str, Any] = {}

    def __str__(self) -> str:
        return f'{self.text} → {self.advice}' if self.advice else self.text


def ask(check: Callable[..., Answer], *arguments: Any) -> Answer:
    """The answer of a check; whatever it raises is one."""
    try:
        return check(*arguments)
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines() or ['']
        text = lines[-1] if 'Traceback' in lines[0] or '-- Process' in lines[0] else lines[0]
        advice = SETUP if isinstance(error, ImportError) else ''
        return Answer('fail', f'{type(error).__name__}: {text[:300]}', advice)


def show(name: str, answer: Answer) -> Answer:
    print(f'{answer.status:8} {name:20} {answer}', flush=True)
    return answer


def environment() -> Answer:
    """The machine and the versions of the packages, as the answer's figures."""
    from ..components.provenance import hardware, package_versions

    return Answer('ok', '', figures={'machine': hardware(), 'packages': package_versions()})


def write_report(out: Path, kind: str, answers: dict[str, Answer], told: dict[str, Any]) -> Answer:
    """Write the answers, under their ``kind``, and what is told of the machine as JSON."""
    from ..structures.files import atomic_write

    content = {**told, kind: {name: answer._asdict() for name, answer in answers.items()}}
    atomic_write(out, json.dumps(content, indent=1))
    return Answer('ok', f'wrote {out}')
