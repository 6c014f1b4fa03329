"""One module a case: ``run(data, quick)`` measures ours and the stock way and returns the rows of a table."""
