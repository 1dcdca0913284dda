"""Many write at once, and the server may die while they do: all are kept, none by half, and the next start serves.

    pytest -m slow tests/test_console_killed.py

kills it a hundred times for each database; every run of the tests does it three times.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx2
import pytest
from console import MARA, nights, site
from digest_nights import INES, MONDAY, settings_of, today
from sample_people import held
from sqlalchemy import Engine
from test_console_command import running

from pipeline.console.forms import FIELD, form_token
from pipeline.console.site import Site
from pipeline.people import api_tokens, sessions
from pipeline.people.connection import writing
from pipeline.people.schema import new_id
from pipeline.people.users import find

_LOG = logging.getLogger(__name__)
READY_SECONDS: Final = 20
"""From the start of a process to the first page, on a machine that is busy with other tests."""


@dataclass
class Form:
    """What is sent, to which path; `status` is the last answer to it, None while there was none."""

    path: str
    fields: dict[str, Any]
    status: int | None = None

    @property
    def form_id(self) -> str:
        return str(self.fields["id" if self.path.startswith("/api") else "form_id"])


@dataclass
class Writer:
    """Somebody's browser or program, and all that it has sent."""

    email: str
    cookie: str
    form_token: str
    api_token: str
    sent: list[Form] = field(default_factory=list)

    def new_form(self, draw: random.Random) -> Form:
        """Anything that can be written about one of two accounts."""
        about = {"account_id": draw.choice(["A-new", "A-old"]), "as_of": str(MONDAY)}
        console = {"form_id": new_id(), **about, FIELD: self.form_token}
        step = f"step {len(self.sent)}"
        program = {"id": new_id(), "account_id": about["account_id"], "kind": "called", "reached": True, "note": step}
        return draw.choice(
            [
                Form("/actions/called", console | {"reached": "yes", "next_step": step}),
                Form("/actions/later", console | {"until": "2026-12-01"}),
                Form("/actions/not-a-risk", console | {"why": "known"}),
                Form("/notes", console | {"note": f"note {len(self.sent)}"}),
                Form("/outcomes", console | {"outcome": "stays"}),
                Form("/api/v1/actions", program),
            ]
        )

    def client(self, address: str) -> httpx2.Client:
        return httpx2.Client(base_url=address, cookies={"churn": self.cookie}, timeout=60, verify=False)

    def send(self, client: httpx2.Client, form: Form) -> None:
        """Send it, and keep the answer; a lost connection is no answer."""
        try:
            if form.path.startswith("/api"):
                headers = {"authorization": f"Bearer {self.api_token}"}
                form.status = client.post(form.path, json=form.fields, headers=headers).status_code
            else:
                form.status = client.post(form.path, data=form.fields).status_code
        except httpx2.TransportError:
            form.status = None

    def write_on(self, address: str, deadline: float, seed: float) -> None:
        """Write until nobody answers, or that time of the clock."""
        draw = random.Random(seed)
        with self.client(address) as client:
            while time.monotonic() < deadline:
                form = self.new_form(draw)
                self.sent.append(form)
                self.send(client, form)
                if form.status is None:
                    return

    def send_again(self, address: str) -> None:
        """Send once more what had no answer, as somebody would who is told that the connection was lost."""
        with self.client(address) as client:
            for form in self.sent:
                if form.status is None:
                    self.send(client, form)


@pytest.fixture
def ours(store: Engine, people: Engine) -> Site:
    """Two nights, and users whose sessions are of this very hour, for the server looks at the clock."""
    nights(store)
    return site(store, people)


@pytest.fixture
def config(ours: Site, tmp_path: Path, store_url: str) -> Path:
    settings_of(tmp_path, today(MONDAY), store_url)
    return tmp_path / "churn.toml"


def writers(of: Site, each: int) -> list[Writer]:
    """So many browsers of Ines and as many of Mara."""
    now, made = datetime.now(UTC), []
    with writing(of.people) as connection:
        for number in range(each):
            for email in (INES, MARA):
                user = find(connection, email)
                assert user is not None
                cookie = sessions.start(connection, user, of.secret, now)
                token = api_tokens.add(connection, f"crm-{email[:4]}-{number}", user, "write", of.secret, now)
                made.append(Writer(email, cookie, form_token(of, cookie), token))
    return made


def together(work: Iterable[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def nothing_is_half_written(of: Site, sent: list[Form]) -> set[str]:
    """The ids of what stands in the store: each was sent, all that was answered is there, each has its line in the
    audit log and its note.
    """
    found = held(of.people)
    assert not [form for form in sent if form.status not in {None, 201, 303}]
    by_table = {"actions": "action_id", "outcomes": "outcome_id", "notes": "note_id"}
    ids = {name: {row[key] for row in found[name]} for name, key in by_table.items()}
    noted = {row["note_id"] for row in found["notes"] if row["action_id"]}
    with_note = {form.form_id for form in sent if form.path.startswith("/api")}
    stand = ids["actions"] | ids["outcomes"] | ids["notes"]
    assert stand <= {form.form_id for form in sent}
    assert {form.form_id for form in sent if form.status is not None} <= stand
    assert noted == ids["actions"] & with_note, "an action and its note are kept together"
    deeds = [(row["kind"], row["account_id"], row["user_id"]) for row in found["actions"]]
    deeds += [("outcome", row["account_id"], row["user_id"]) for row in found["outcomes"]]
    deeds += [("note", row["account_id"], row["user_id"]) for row in found["notes"] if not row["action_id"]]
    told = [(row["deed"], row["account_id"], row["user_id"]) for row in found["audit_log"]]
    assert Counter(deeds) == Counter(line for line in told if line[0] not in {"account seen", "list seen"})
    return stand


def test_all_that_people_write_about_one_account_at_once_is_kept(ours: Site, config: Path) -> None:
    """Eight browsers of two people, a hundred forms, each sent by two tabs at the same instant."""
    draw, everybody = random.Random("at once"), writers(ours, 4)
    with running("-c", config) as (_, told):

        def write(writer: Writer) -> None:
            with writer.client(told["address"]) as one, writer.client(told["address"]) as other:
                for _ in range(12):
                    form = writer.new_form(draw)
                    again = Form(form.path, form.fields)
                    writer.sent += [form, again]
                    together([partial(writer.send, one, form), partial(writer.send, other, again)])

        together(partial(write, writer) for writer in everybody)
    sent = [form for writer in everybody for form in writer.sent]
    assert {201, 303} == {form.status for form in sent}, Counter(form.status for form in sent)
    assert 96 == len(nothing_is_half_written(ours, sent))


def many_die(of: Site, config: Path, times: int) -> None:
    """The server is killed while eight browsers write; each time the next one serves, and takes again what was lost."""
    draw = random.Random(f"{of.store.dialect.name} {times}")
    everybody, starts, lost, written = writers(of, 4), list[float](), 0, 0
    for number in range(times):
        began = time.monotonic()
        with running("-c", config) as (process, told):
            with everybody[0].client(told["address"]) as client:
                assert 200 == client.get("/").status_code
            starts.append(time.monotonic() - began)
            assert starts[-1] < READY_SECONDS
            for writer in everybody:
                writer.send_again(told["address"])
            killer = threading.Timer(draw.uniform(0.05, 1), process.kill)
            killer.start()
            until = time.monotonic() + 60
            together(partial(writer.write_on, told["address"], until, draw.random()) for writer in everybody)
            assert -9 == process.wait(20)
        sent = [form for writer in everybody for form in writer.sent]
        unanswered = {form.form_id for form in sent if form.status is None}
        stand = nothing_is_half_written(of, sent)
        lost, written = lost + len(unanswered), written + len(unanswered & stand)
        _LOG.info("%d of %d: %d forms stand, %d without an answer", number + 1, times, len(stand), len(unanswered))
    assert lost, "nobody was writing when it died"
    with running("-c", config) as (_, told):
        for writer in everybody:
            writer.send_again(told["address"])
    sent = [form for writer in everybody for form in writer.sent]
    assert {form.form_id for form in sent} == nothing_is_half_written(of, sent), "sent again, each is there once"
    _LOG.info("%s, %d kills: %d forms, %d at first without an answer", of.store.dialect.name, times, len(sent), lost)
    _LOG.info(
        "of these %d had been written; to the first page %.1f s, at most %.1f", written, median(starts), max(starts)
    )


def test_the_server_may_die_while_people_write(ours: Site, config: Path) -> None:
    many_die(ours, config, 3)


@pytest.mark.slow
def test_the_server_may_die_a_hundred_times(ours: Site, config: Path) -> None:
    many_die(ours, config, 100)
