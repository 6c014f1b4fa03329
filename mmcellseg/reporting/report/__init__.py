"""One page on runs and ensembles: what was run, what came of it, and the cells it got wrong."""
