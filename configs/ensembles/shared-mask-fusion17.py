"""The 17 members' masks vote for the pixels of each cell; every class that they gave it keeps its score."""

_base_ = './nms17.py'
out_dir = 'work_dirs/ensembles/shared-mask-fusion17'
fusion = dict(_delete_=True, type='SharedMaskFusion', lift=0.5, hidden_factor=0.5, largest_component=True)
