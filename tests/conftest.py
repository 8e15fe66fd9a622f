"""What all tests share: real servers, and the rewriting of assertions in the shipped suites."""

import pytest

pytest.register_assert_rewrite("fairlead.testing")

from servers.fixtures import api_server, cluster, postgres_url, s3_store_url, simulation  # noqa: E402  # after the registration above

__all__ = ["api_server", "cluster", "postgres_url", "s3_store_url", "simulation"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have the components that a test names with its marker among its results."""
    for marker in item.iter_markers("components"):
        item.user_properties += [("component", name) for name in marker.args]
