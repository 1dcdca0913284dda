"""The expressions of proposed queries in the dialect of a warehouse."""

import re
from typing import Final

__all__ = ["in_postgresql"]

_PARTS: Final = (("%d", "DD"), ("%m", "MM"), ("%Y", "YYYY"), ("年", '"年"'), ("月", '"月"'), ("日", '"日"'))


def in_postgresql(sql: str) -> str:
    """What the local engine reads, as PostgreSQL reads it; there a value that does not fit ends the query.

    >>> in_postgresql('try_cast("fee" AS DOUBLE) / 12')
    'CAST(nullif(("fee")::text, \\'\\') AS double precision) / 12'
    >>> in_postgresql("try_strptime(own.\\"day\\"::VARCHAR, ['%d.%m.%Y', '%d.%m.%Y %H:%M'])")
    'to_timestamp(nullif(own."day"::text, \\'\\'), \\'DD.MM.YYYY HH24:MI:SS\\')'
    """
    sql = sql.replace("try_cast(", "CAST(nullif((").replace("to_seconds(", "make_interval(secs => ")
    sql = sql.replace(" AS DOUBLE)", ")::text, '') AS double precision)")
    sql = sql.replace(" AS TIMESTAMPTZ)", ")::text, '') AS timestamptz)")
    sql = re.sub(r"try_strptime\((.+?), \['([^']+)'[^]]*\]\)", _time, sql)
    return sql.replace("::VARCHAR", "::text")


def _time(found: re.Match[str]) -> str:
    pattern = found[2]
    for ours, theirs in _PARTS:
        pattern = pattern.replace(ours, theirs)
    return f"to_timestamp(nullif({found[1]}, ''), '{pattern} HH24:MI:SS')"
