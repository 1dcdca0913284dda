"""The night as a task of Airflow, which calls the command line: nothing of ours is installed beside Airflow.

Status 1 is tried again; 2 and 3 are not, for no retry cures them.
"""

import logging
import subprocess
from datetime import UTC, datetime, timedelta

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

CHURN = "/opt/churn/.venv/bin/churn"
CONFIG = "/srv/churn/churn.toml"


def run(*arguments: str) -> None:
    """One command; its last lines go into the failure, all of them into the task's log."""
    with subprocess.Popen(
        [CHURN, *arguments, "--config", CONFIG], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            told, _ = process.communicate()
        except BaseException:
            process.terminate()  # a task that is stopped or takes too long: the night gives back what it holds
            process.wait(20)
            raise
    logging.getLogger(__name__).info(told)
    if process.returncode in {2, 3}:
        raise AirflowFailException(told[-2000:])
    if process.returncode != 0:
        raise AirflowException(told[-2000:])


@dag(schedule="10 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def churn_night() -> None:
    """Score every customer and publish the list, then tell each manager what changed."""

    # [run] hours_at_most is 12: the night ends by itself before Airflow ends it.
    @task(retries=4, retry_delay=timedelta(minutes=5), execution_timeout=timedelta(hours=13))
    def score() -> None:
        run("score")

    @task(retries=4, retry_delay=timedelta(minutes=15), execution_timeout=timedelta(hours=1))
    def digest() -> None:
        run("digest")

    score() >> digest()


@dag(schedule="10 8 * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def churn_alarm() -> None:
    """Look whether there was a night: one that never started cannot tell of itself."""

    @task
    def doctor() -> None:
        run("doctor", "--max-age", "20h")

    doctor()


churn_night()
churn_alarm()
