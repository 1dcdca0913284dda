"""The API under requests that are drawn from its own description: no failure of ours, no answer but those described.

schemathesis draws what fits the description and what does not, in every parameter and field. What fits is taken or
refused for a described reason, what does not is refused, nothing is let in without a token.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import schemathesis
from console import MARA, nights, program, site
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from pipeline.console.api.problems import BASE
from pipeline.console.app import create_app
from pipeline.console.sign_in_limits import SignInLimits
from pipeline.people.connection import connect as connect_people
from pipeline.store.connection import connect

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]
IN_CI, AT_LENGTH = 12, 300


class Patient(SignInLimits):
    """Waits for nobody: wrong tokens are drawn by the hundred, and that they wait is tried elsewhere."""

    def wait(self, host: str, email: str, now: datetime) -> timedelta | None:
        return None


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The API of a console with two nights, asked by a program that may write."""
    url = f"sqlite:///{tmp_path_factory.mktemp('drawn') / 'churn.db'}"
    ours = site(connect(url), connect_people(url), token_limits=Patient())
    nights(ours.store)
    found = schemathesis.openapi.from_asgi(f"{BASE}/openapi.json", create_app(ours))
    found.config.update(headers={"Authorization": program(ours, MARA, "write").headers["authorization"]})
    yield found
    ours.store.dispose()
    ours.people.dispose()


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=IN_CI, deadline=None, suppress_health_check=list(HealthCheck))
def test_drawn_requests(case: schemathesis.Case) -> None:
    """In CI, a dozen of each kind."""
    case.call_and_validate(checks=CHECKS)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=AT_LENGTH, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_drawn_requests(case: schemathesis.Case) -> None:
    """At length."""
    case.call_and_validate(checks=CHECKS)
