"""Images of any size: regions read from a file, tiles with their cores, seams between them, and the list of work."""
