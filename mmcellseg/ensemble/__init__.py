"""Merging the predictions of members, views and tiles."""
