"""The 17 members' masks vote for pixels, class and score of each cell."""

_base_ = './nms17.py'
out_dir = 'work_dirs/ensembles/mask-fusion17'
fusion = dict(_delete_=True, type='WeightedMaskFusion', iou='mask', threshold=0.5, vote_threshold=0.5)
