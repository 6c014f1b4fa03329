"""Running a tool in this process."""

import pytest


@pytest.fixture
def run(call_tool):
    """See ``call_tool``."""
    return call_tool
