"""What starts, records and repeats runs."""
