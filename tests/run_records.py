"""Records of runs, as tests need them."""

from mmcellseg.reporting import records


def record(folder, values, best=None, **extra):
    config = {'values': values, 'differences': {}}
    content = {'status': 'finished', 'config': config, 'metrics': {'best': best, 'last': best}, **extra}
    records.write_record(folder, content)
    return records.read_record(folder)
