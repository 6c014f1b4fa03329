"""Drawn tissue, drawn data sets and simulated members."""
