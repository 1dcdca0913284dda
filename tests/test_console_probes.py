"""Probes: what whoever runs the console asks it, and who may read its measures."""

from collections.abc import Iterator
from datetime import date

import pytest
from console import Clock, browser, let_in, nights, program, site
from digest_nights import INES
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from starlette.testclient import TestClient

from pipeline.console.app import create_app
from pipeline.console.site import Site
from pipeline.people.connection import connect as connect_people
from pipeline.store.connection import connect, writing
from pipeline.store.schema import STORE_VERSION


@pytest.fixture
def ours(store: Engine, people: Engine) -> Site:
    nights(store)
    return site(store, people)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for tests that change nothing, made once, with SQLite."""
    url = f"sqlite:///{tmp_path_factory.mktemp('quiet') / 'churn.db'}"
    made = site(connect(url), connect_people(url))
    nights(made.store)
    yield made
    made.store.dispose()
    made.people.dispose()


def near(of: Site, host: str = "127.0.0.1", **headers: str) -> TestClient:
    """A program on this machine, or at another address."""
    return TestClient(create_app(of), of.address, headers=headers, client=(host, 50_000), follow_redirects=False)


def measured(client: TestClient) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels."""
    answer = client.get("/metrics")
    assert 200 == answer.status_code, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_a_process_that_answers_is_alive_whatever_the_stores_are(store: Engine, people: Engine) -> None:
    """Without a store, or with one of another version: starting it anew would mend nothing."""
    client = near(Site(store, people))
    assert (200, {"status": "alive"}) == ((answer := client.get("/healthz")).status_code, answer.json())


def test_it_is_ready_when_both_stores_can_be_read_and_hold_a_night(ours: Site) -> None:
    answer = near(ours).get("/readyz")
    checks = {"store": "ok", "people store": "ok", "night": "ok"}
    assert (200, {"status": "ready", "checks": checks}) == (answer.status_code, answer.json())


def test_before_the_first_night_it_is_not_ready(store: Engine, people: Engine) -> None:
    answer = near(site(store, people)).get("/readyz")
    assert 503 == answer.status_code
    assert ("missing", "ok", "none published") == tuple(answer.json()["checks"].values())


@pytest.mark.parametrize("which", ["store", "people"])
def test_a_store_of_another_version_is_not_ready_and_tells_no_address(ours: Site, which: str) -> None:
    """The log says which version; a stranger learns neither that nor where the store lies."""
    engine = getattr(ours, which)
    with writing(engine) as connection:
        connection.execute(STORE_VERSION.update().values(version_num="0000"))
    answer = near(ours).get("/readyz")
    assert 503 == answer.status_code
    assert "of another version" in answer.json()["checks"].values()
    assert (engine.url.database or "") not in answer.text


def test_measures_tell_how_old_the_night_is_and_of_how_many(ours: Site) -> None:
    """At half past eight, a night that was published at 03:12; it could start at 06:00."""
    found = measured(near(ours))
    assert (5.3 * 3600, 6.0, 1.0) == tuple(
        found[name,] for name in ("churn_night_age_seconds", "churn_night_accounts", "churn_ready")
    )


def test_measures_time_each_route_by_its_pattern(ours: Site) -> None:
    """No address that was asked for stands in them: it could name a customer."""
    client = near(ours)
    mara = program(ours)
    token = mara.headers["authorization"]
    client.get("/api/v1/accounts/A-new", headers={"authorization": token})
    client.get("/api/v1/nowhere")
    client.get("/nowhere/A-new")
    client.get("/sign-in")
    client.get("/static/console.css")
    client.request("PURGE", "/")
    found = measured(client)
    counted = {key[1:]: value for key, value in found.items() if key[0] == "churn_request_seconds_count"}
    assert {
        ("GET", "/api/v1/accounts/{account_id:path}", "2xx"): 1.0,
        ("GET", "/api/v1", "4xx"): 1.0,
        ("GET", "none", "4xx"): 1.0,
        ("GET", "/sign-in", "2xx"): 1.0,
        ("GET", "/static", "2xx"): 1.0,
        ("other", "/", "4xx"): 1.0,
    } == counted
    assert not [key for key in found if "A-new" in str(key)]


def test_measures_count_what_was_refused_by_kind(ours: Site) -> None:
    client = near(ours)
    before = measured(client)
    client.get("/api/v1/tonight")
    client.get("/api/v1/tonight", headers={"authorization": "Bearer none"})
    client.post("/sign-out")
    client.post("/sign-in", content=b"x" * 70_000)
    let_in(ours, INES)
    after = measured(client)
    counted = {
        key[1]: after[key] - before[key]
        for key in before
        if key[0] == "churn_refusals_total" and after[key] > before[key]
    }
    assert {"not signed in": 2.0, "not allowed": 1.0, "too large": 1.0} == counted


def test_measures_go_on_where_a_store_is_gone(store: Engine, people: Engine) -> None:
    found = measured(near(site(store, people)))
    assert (0.0, 0.0) == (found["churn_ready",], found["churn_night_accounts",])
    assert found["churn_night_age_seconds",] != found["churn_night_age_seconds",]


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.1.2.3", {}, 200),
        ("192.168.0.9", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("8.8.8.8", {}, 401),
        ("::ffff:8.8.8.8", {}, 401),
        ("2001:4860:4860::8888", {}, 401),
        ("testclient", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "8.8.8.8"}, 401),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 401),
        ("10.1.2.3", {"forwarded": "for=8.8.8.8"}, 401),
        ("10.1.2.3", {"via": "1.1 proxy"}, 401),
        ("8.8.8.8", {"authorization": "Bearer churn_wrong"}, 401),
        ("8.8.8.8", {"authorization": "Basic Y2h1cm46eA=="}, 401),
    ],
)
def test_measures_are_for_the_own_network(quiet: Site, host: str, headers: dict[str, str], status: int) -> None:
    """What came through a proxy came from elsewhere, whatever it says of itself."""
    assert status == near(quiet, host, **headers).get("/metrics").status_code


def test_from_elsewhere_a_token_reads_the_measures(ours: Site) -> None:
    assert measured(program(ours))["churn_night_accounts",]


def test_a_demos_own_day_is_no_clock(ours: Site) -> None:
    """The age of a night is by the clock: a company that lives in the past has old nights."""
    clock = ours.clock
    assert isinstance(clock, Clock)
    object.__setattr__(ours, "as_of", date(2026, 11, 23))
    clock.later(days=1)
    assert 29.3 * 3600 == measured(near(ours))["churn_night_age_seconds",]


def test_a_browser_that_is_signed_in_reads_no_measures(ours: Site) -> None:
    """A cookie is for pages."""
    assert 401 == let_in(ours, INES).get("/metrics").status_code
    assert 401 == browser(ours).get("/metrics").status_code
