"""What all tests share: real servers, and the rewriting of assertions in the shipped suites."""

import pytest

pytest.register_assert_rewrite("fairlead.testing")

from servers.fixtures import api_server, postgres_url, s3_store_url  # noqa: E402  # after the registration above

__all__ = ["api_server", "postgres_url", "s3_store_url"]


@pytest.fixture(autouse=True)
def own_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--on`` of a command that a test calls in this process hold for no test after it."""
    monkeypatch.setenv("FAIRLEAD_CONTEXT", "")
    monkeypatch.delenv("FAIRLEAD_CONTEXT")
