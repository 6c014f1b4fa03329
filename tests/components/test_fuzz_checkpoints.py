"""Damaged checkpoints: whatever a byte does, they load as they were saved or not at all.

``MMCELLSEG_FUZZ=6000`` sets the number of damaged files; each is made from its own number, so that one that fails
can be made again.
"""

import os
import random
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmcellseg.components.checkpoint import CheckpointError, load
from mmcellseg.components.plain_checkpoint import make_plain

FILES = int(os.environ.get('MMCELLSEG_FUZZ', '600'))


def a_checkpoint() -> dict:
    """Weights, averaged weights and an optimizer's state, as a run with a moving average saves them."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    history = HistoryBuffer([0.5, 0.25], [1, 1])
    return {
        'meta': {'epoch': 1, 'iter': 2, 'cfg': 'a = 1\n' * 20, 'classes': ('a', 'b')},
        'state_dict': model.state_dict(),
        'ema_state_dict': {f'module.{name}': value / 2 for name, value in model.state_dict().items()},
        'optimizer': optimizer.state_dict(),
        'message_hub': {'log_scalars': {'train/loss': history}, 'runtime_info': {'epoch': 0}, 'resumed_keys': {}},
    }


def places(path: Path) -> list[range]:
    """Where the weights, all tensors, the pickle, the file's head and directory, and anything lie."""
    with zipfile.ZipFile(path) as archive:
        records = [
            (record.filename, range(record.header_offset, record.header_offset + 100 + record.file_size))
            for record in archive.infolist()
        ]
        end = archive.start_dir
    tensors = [where for name, where in records if '/data/' in name]
    pickled = [where for name, where in records if name.endswith('data.pkl')]
    everything, first = range(path.stat().st_size), min(where.start for where in tensors)
    return [tensors[0], range(first, end), *pickled, range(64), range(end, len(everything)), everything]


def damaged(content: bytes, number: int, places: list[range]) -> bytearray:
    """File ``number``: some bits flipped, or bytes overwritten, cut off, removed or put in, at one of the places."""
    rng, data = random.Random(number), bytearray(content)
    where = rng.choice(places)
    start, length = rng.choice(where), rng.choice([1, 4, 64, 512])
    kind = rng.choice(['flip', 'flip', 'flip', 'overwrite', 'cut', 'remove', 'insert'])
    if kind == 'flip':
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.choice(where)] ^= 1 << rng.randrange(8)
    elif kind == 'overwrite':
        data[start : start + length] = bytes(rng.choice([0, 255, rng.randrange(256)]) for _ in data[start:][:length])
    elif kind == 'insert':
        data[start:start] = rng.randbytes(length)
    else:
        del data[start : None if kind == 'cut' else start + length]
    return data


def flat(value: object, name: str = '') -> dict[str, object]:
    """All values of a loaded checkpoint by their place."""
    if isinstance(value, HistoryBuffer):
        value = [part.tolist() for part in value.data]
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f'{name}.{key}').items()}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f'{name}[{i}]').items()}
    return {name: value}


def equal(one: object, other: object) -> bool:
    ours, theirs = flat(one), flat(other)
    same = [
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(ours.values(), theirs.values())
    ]
    return ours.keys() == theirs.keys() and all(same)


def loaded_or_refused(path: Path) -> tuple[object, str]:
    """What a file holds, or the message that refuses it."""
    try:
        return load(path), ''
    except CheckpointError as error:
        return None, str(error)


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('fuzz') / 'whole.pth'
    torch.save(make_plain(a_checkpoint()), path)
    return path


def test_a_damaged_checkpoint_loads_as_it_was_or_names_itself(whole, tmp_path):
    content, right, where = whole.read_bytes(), load(whole), places(whole)
    path = tmp_path / 'damaged.pth'
    outcomes = {'equal': 0, 'refused': 0}
    for number in range(FILES):
        path.write_bytes(damaged(content, number, where))
        loaded, message = loaded_or_refused(path)
        assert not message or message.startswith(f'{path}: '), number
        assert '\n' not in message, number
        assert message or equal(loaded, right), f'file {number} loads with other values'
        outcomes['refused' if message else 'equal'] += 1
    print(f'{FILES} damaged checkpoints: {outcomes}')
    assert outcomes['refused'] > FILES // 2


@pytest.mark.parametrize('part', ['state_dict', 'ema_state_dict', 'optimizer'])
def test_a_flipped_byte_in_a_tensor_is_found(whole, tmp_path, part):
    """A byte of the largest tensor of each part, found in the file by its content."""
    tensors = [value for value in flat(load(whole)[part]).values() if isinstance(value, torch.Tensor)]
    stored = max(tensors, key=torch.Tensor.numel).numpy().tobytes()
    data = bytearray(whole.read_bytes())
    assert data.count(stored) >= 1
    data[data.index(stored) + 5] ^= 64
    path = tmp_path / 'flipped.pth'
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r'flipped\.pth: the checkpoint is damaged: .*/data/\d+ is not what was'):
        load(path)


def test_a_tensor_marked_as_a_folder_is_found(whole, tmp_path):
    """Its checksum is right, but torch leaves its memory as it was."""
    data = bytearray(whole.read_bytes())
    entry = data.rindex(b'PK\x01\x02', 0, data.rindex(b'whole/data/9'))
    data[entry + 38] |= 0x10  # external attributes: a DOS directory
    path = tmp_path / 'folder.pth'
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r'folder\.pth: the checkpoint is damaged: whole/data/9 is not what was'):
        load(path)


def test_the_old_format_ends_with_its_name_however_it_is_damaged(tmp_path):
    """It has no checksums: only that no other error comes is to be had."""
    path = tmp_path / 'old.pth'
    torch.save(make_plain(a_checkpoint()), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for number in range(FILES // 3):
        path.write_bytes(damaged(content, number, [range(len(content))]))
        _, message = loaded_or_refused(path)
        assert not message or message.startswith(f'{path}: '), number
