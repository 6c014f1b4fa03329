"""Logs, comparisons and curves."""
