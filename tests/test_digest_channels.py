"""The letters as a real mail server and a real webhook take them: what they look like, whom they reach, who refuses."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from command_line import churn
from digest_nights import (
    BEFORE,
    HIGH,
    INES,
    LOW,
    MEDIUM,
    MONDAY,
    TOM,
    TUESDAY,
    TUESDAY_BEFORE,
    account,
    config,
    leaving,
    publish_night,
    settings_of,
    today,
)
from mail_server import Letterbox, free_port, mail_server
from sqlalchemy import Engine
from web_hook import Hook, web_hook

from pipeline.digest import mail
from pipeline.store.connection import connect


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """In SQLite alone: what depends on the database is tested by `test_digest.py`."""
    return f"sqlite:///{tmp_path / 'churn.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    engine = connect(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def news(store: Engine) -> Engine:
    """A store in which Ines and Tom each have a customer that is new on the list."""
    publish_night(store, BEFORE, account("A", LOW), account("B", LOW, owner=TOM))
    publish_night(store, MONDAY, account("A", HIGH, data=3.0), account("B", HIGH, data=3.0, owner=TOM))
    return store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is tried again at once."""
    monkeypatch.setattr(mail, "RETRY_SECONDS", (0.01, 0.01))


@pytest.fixture
def letterbox() -> Letterbox:
    return Letterbox()


@pytest.fixture
def port(letterbox: Letterbox) -> Iterator[int]:
    with mail_server(letterbox) as port:
        yield port


def parts(letter: EmailMessage) -> tuple[str, str]:
    """The plain text and the HTML of a letter, with the line ends of texts."""
    bodies = [letter.get_body((kind,)) for kind in ("plain", "html")]
    plain, html = (str(body.get_content()).replace("\r\n", "\n") for body in bodies if body is not None)
    return plain, html


def test_what_a_letter_looks_like(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """Both parts say the same; machines that answer letters are told not to."""
    link = '[console]\naccount_url = "https://crm.example/{account_id}?from=digest"\n'
    assert 0 == churn("digest", "-c", config(tmp_path, store_url, port, link)).exit_status
    letter = letterbox.taken[0]
    assert "Rosterly <churn@example.com>" == str(letter["From"])
    assert "Your customers, Mon 23 Nov: 1 new on the list" == letter["Subject"]
    assert ("auto-generated", "en") == (letter["Auto-Submitted"], letter["Content-Language"])
    for part in parts(letter):
        for said in (
            "Monday 23 November 2026",
            "1 of your 2 customers is on the list.",
            "Customer A",
            ": high risk, low on 16 November; 1 in 4 like this leave within 60 days; ",
            "; MRR 1,000 USD, 269 of it at stake.",
            "Active on 6 of the last 28 days; 19 is normal for them.",
            "Four tickets in the last 28 days.",
            "https://crm.example/A?from=digest",
            "A customer is named at most once in 14 days",
        ):
            assert said in part


def test_in_chinese(news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int) -> None:
    publish_night(news, TUESDAY_BEFORE, account("A", MEDIUM))
    publish_night(news, TUESDAY, leaving("A", name="姑苏朗悦口腔"))
    zh = config(tmp_path, store_url, port, '[digest]\nlanguage = "zh"\n', as_of=TUESDAY)
    assert 0 == churn("digest", "-c", zh).exit_status
    (letter,) = letterbox.taken
    assert ("您的客户(11 月 24 日周二):1 家提出解约", "zh") == (letter["Subject"], letter["Content-Language"])
    text, page = parts(letter)
    assert '<html lang="zh-CN">' in page
    assert "2026 年 11 月 24 日 星期二 · Rosterly" in text
    assert (
        "1. 姑苏朗悦口腔 (A)\n   提出解约:合同 12 月 31 日到期;MRR 1,000 USD。\n   11 月 17 日时的情况:\n   - 近"
        in text
    )


def test_a_server_that_comes_back_in_time_is_enough(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again within the run."""
    port = free_port()
    monkeypatch.setattr(mail, "RETRY_SECONDS", (0.05,) * 200)
    config(tmp_path, store_url, port)
    begun = subprocess.Popen([sys.executable, "-c", _LATE_SERVER, str(port)], cwd=Path(__file__).parent)
    try:
        assert 0 == churn("digest", "-c", tmp_path / "churn.toml").exit_status
    finally:
        begun.terminate()
        begun.wait()


_LATE_SERVER = """
import sys, time
from mail_server import Letterbox, mail_server
time.sleep(1)
with mail_server(Letterbox(), int(sys.argv[1])):
    time.sleep(60)
"""


def test_a_server_that_looks_at_letters_for_long_gets_each_once_a_run(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have taken the letter that it did not answer. The next run sends it again: rather twice than never."""
    monkeypatch.setattr(mail, "ANSWER_SECONDS", 2)
    letterbox.looks_seconds = 4.0
    done = churn("digest", "-c", config(tmp_path, store_url, port))
    assert (1, [INES, TOM]) == (done.exit_status, letterbox.recipients)
    assert "gave no answer in 2 s" in done.stderr
    letterbox.looks_seconds = 0.0
    assert 0 == churn("digest", "-c", tmp_path / "churn.toml").exit_status
    assert [INES, TOM] * 2 == letterbox.recipients


@pytest.mark.parametrize(("answer", "status"), [("550 No such user here", 3), ("451 Try again later", 1)])
def test_one_who_is_refused_keeps_nobody_from_theirs(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int, answer: str, status: int
) -> None:
    """The status says whether a retry helps, the answer who it was and what the server said."""
    letterbox.answers[INES] = answer
    done = churn("digest", "-c", config(tmp_path, store_url, port))
    assert (status, [TOM]) == (done.exit_status, letterbox.recipients)
    assert f"not sent      {INES} by mail: the mail server does not take it: {answer}" in done.stdout
    assert f"Not sent to {INES} by mail" in done.stderr
    letterbox.answers.clear()
    assert 0 == churn("digest", "-c", tmp_path / "churn.toml").exit_status
    assert [TOM, INES] == letterbox.recipients


def test_an_owner_that_is_no_address_is_refused_alone(
    store: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """No name becomes a header or a second recipient."""
    odd = ["Ines Meyer", f"x@example.com\nBcc: {TOM}", f"{INES}, {TOM}", "é@example.com", "i..s@example.com", "i@"]
    owners = [*odd, TOM]
    for day, odds, moved in ((BEFORE, LOW, 0.0), (MONDAY, HIGH, 3.0)):
        made = [account(f"A{place}", odds, data=moved, owner=owner) for place, owner in enumerate(owners)]
        publish_night(store, day, *made)
    done = churn("digest", "-c", config(tmp_path, store_url, port), "--json")
    assert (3, [TOM]) == (done.exit_status, letterbox.recipients)
    assert ["not sent"] * len(odd) == [
        each["outcome"] for each in done.record()["messages"] if each["recipient"] != TOM
    ]


def test_names_are_text_and_nothing_else(
    store: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """Whatever customers call themselves: no markup, no header, no second line, no turned direction."""
    name = "<script>alert(1)</script>\"'&\r\nBcc: all@example.com\x1b[2J\u202eevil"
    hostile = {"name": name, "owner": INES}
    ids = 'A"><img src=x onerror=alert(1)>/../?x=1#y'
    for day, odds, moved in ((BEFORE, LOW, 0.0), (MONDAY, HIGH, 3.0)):
        publish_night(store, day, account(ids, odds, data=moved, **hostile))
    link = '[console]\naccount_url = "https://crm.example/{account_id}"\n'
    assert 0 == churn("digest", "-c", config(tmp_path, store_url, port, link)).exit_status
    (letter,) = letterbox.taken
    assert letter["Bcc"] is None
    assert "Customer" not in letter["Subject"]
    text, page = parts(letter)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'href="https://crm.example/A%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%2F..%2F%3Fx%3D1%23y"' in page
    for part in (text, page):
        assert not set("\x1b\u202e\r") & set(part)
        assert "\nBcc" not in part


def test_without_a_way_to_send_it_says_how(news: Engine, store_url: str, tmp_path: Path) -> None:
    settings_of(tmp_path, today(MONDAY), store_url)
    refused = churn("digest", "-c", tmp_path / "churn.toml")
    assert 2 == refused.exit_status
    assert "There is no way to send anything: set [mail] host and sender, or the variable CHURN__DIGEST__CHAT" in (
        refused.message
    )
    assert 0 == churn("digest", "-c", tmp_path / "churn.toml", "--dry-run").exit_status


def test_chat_by_a_plain_webhook(news: Engine, store_url: str, tmp_path: Path) -> None:
    """The address names the manager; a rerun posts nothing; a service that fails is tried by the next run."""
    hook = Hook()
    settings_of(tmp_path, today(MONDAY), store_url)
    with web_hook(hook) as port:
        env = {"CHURN__DIGEST__CHAT": f"json://127.0.0.1:{port}/to/{{owner}}/{{name}}"}
        hook.status = 503
        failed = churn("digest", "-c", tmp_path / "churn.toml", env=env)
        assert 1 == failed.exit_status
        assert f"not sent      {INES} by chat: the chat does not take it: " in failed.stdout
        hook.status = 200
        hook.taken.clear()
        for _ in range(2):
            assert 0 == churn("digest", "-c", tmp_path / "churn.toml", env=env).exit_status
    assert ["/to/ines@example.com/ines", "/to/tom@example.com/tom"] == [path for path, _ in hook.taken]
    posted = hook.taken[0][1]
    assert "Your customers, Mon 23 Nov: 1 new on the list" == posted["title"]
    assert posted["message"].startswith("Monday 23 November 2026 · Rosterly\n1 of your 2 customers is on the list.")


def test_chat_reaches_nobody_but_the_service(news: Engine, store_url: str, tmp_path: Path) -> None:
    """The library tells nobody else that it is used, and keeps nothing on disk."""
    hook = Hook()
    settings_of(tmp_path, today(MONDAY), store_url)
    code = (
        "import sys; from pipeline.cli import main\n"
        "reached = []\n"
        "sys.addaudithook(lambda name, args: name in ('socket.connect', 'socket.getaddrinfo')"
        " and reached.append(args[1] if name == 'socket.connect' else args[:2]))\n"
        "try: main(['digest', '-c', sys.argv[1]])\n"
        "finally: print(*reached, sep='|', file=sys.stderr)\n"
    )
    with web_hook(hook) as port:
        env = os.environ | {"CHURN__DIGEST__CHAT": f"json://127.0.0.1:{port}/", "HOME": str(tmp_path / "home")}
        ran = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "churn.toml")],
            capture_output=True,
            text=True,
            env=env,
            check=True,
        )
    assert 2 == len(hook.taken)
    reached = ran.stderr.splitlines()[-1].split("|")
    assert all("127.0.0.1" in each or ".s.PGSQL" in each for each in reached), reached
    assert not (tmp_path / "home").exists()


def test_names_wake_nobody_in_a_chat(store: Engine, store_url: str, tmp_path: Path) -> None:
    """What chats read as a call or a link is written so that they do not; all letters go to one place, with a name."""
    for day, odds, moved in ((BEFORE, LOW, 0.0), (MONDAY, HIGH, 3.0)):
        publish_night(store, day, account("A", odds, data=moved, name="<!channel> @here [x](http://evil.example)"))
    hook = Hook()
    settings_of(tmp_path, today(MONDAY), store_url)
    with web_hook(hook) as port:
        env = {"CHURN__DIGEST__CHAT": f"json://127.0.0.1:{port}/"}
        assert 0 == churn("digest", "-c", tmp_path / "churn.toml", env=env).exit_status
    ((_, posted),) = hook.taken
    assert posted["title"].startswith("ines@example.com · Your customers")
    assert not set("<>@[") & set(posted["message"])
    assert "＜!channel＞ ＠here ［x］(http://evil.example)" in posted["message"]


def test_an_address_that_no_chat_has_is_refused_without_being_shown(
    news: Engine, store_url: str, tmp_path: Path
) -> None:
    settings_of(tmp_path, today(MONDAY), store_url)
    refused = churn("digest", "-c", tmp_path / "churn.toml", env={"CHURN__DIGEST__CHAT": "slakc://s3cret/x"})
    assert 2 == refused.exit_status
    assert "CHURN__DIGEST__CHAT is no address that Apprise knows" in refused.message
    assert "s3cret" not in refused.stdout + refused.stderr


# --- over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here to make a certificate with")
    return certificate, key


def over_tls(folder: Path, store_url: str, port: int, user: str = "churn") -> Path:
    text = f'[mail]\nhost = "localhost"\nport = {port}\nsender = "churn@example.com"\nuser = "{user}"\n'
    settings_of(folder, text + today(MONDAY), store_url)
    return folder / "churn.toml"


@pytest.mark.parametrize(
    ("trusted", "password", "told"),
    [
        (True, "s3cret", ""),
        (True, "wrong", "does not let 'churn' in: 5.7.8 Authentication credentials invalid. Check [mail] user and the"),
        (False, "s3cret", "shows a certificate that is not trusted: self-signed certificate. Write the name"),
    ],
)
def test_a_sign_in_goes_over_tls_to_who_is_trusted(
    news: Engine,
    store_url: str,
    tmp_path: Path,
    letterbox: Letterbox,
    certificate: tuple[Path, Path],
    trusted: bool,
    password: str,
    told: str,
) -> None:
    """The password is that of the environment; what is wrong with the settings ends with 2, for all letters at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    env = {"CHURN__MAIL__PASSWORD": password} | ({"SSL_CERT_FILE": str(certificate[0])} if trusted else {})
    with mail_server(letterbox, tls=context, password="s3cret") as port:
        done = churn("digest", "-c", over_tls(tmp_path, store_url, port), env=env)
    assert (2 if told else 0, [] if told else [INES, TOM]) == (done.exit_status, letterbox.recipients), done.stderr
    assert told in done.stdout
    assert password not in done.stdout + done.stderr


def test_a_server_without_tls_is_given_nothing(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """Nobody falls back to the clear."""
    done = churn("digest", "-c", over_tls(tmp_path, store_url, port), env={"CHURN__MAIL__PASSWORD": "s3cret"})
    assert (2, []) == (done.exit_status, letterbox.recipients)
    assert "cannot do what [mail] security and user ask for: STARTTLS extension not supported" in done.stdout


@pytest.mark.parametrize(("user", "password"), [("churn", ""), ("", "s3cret")])
def test_half_a_sign_in_is_refused(news: Engine, store_url: str, tmp_path: Path, user: str, password: str) -> None:
    file = over_tls(tmp_path, store_url, 587, user)
    refused = churn("digest", "-c", file, env={"CHURN__MAIL__PASSWORD": password})
    assert 2 == refused.exit_status
    assert "[mail] user and CHURN__MAIL__PASSWORD belong together, and " in refused.message
