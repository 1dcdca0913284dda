"""The customer's own words in a ticket: without what they quote, sign with, link to and paste from a machine."""

import re
from typing import Final

__all__ = ["LONGEST", "own_words"]

LONGEST: Final = 4_000
"""Characters that are looked at: whoever writes more has said how they feel by then, and the rest is pasted."""

_QUOTE_BEGINS: Final = re.compile(
    r"^[ \t]*(-{2,} ?(original message|forwarded message|ursprüngliche nachricht|原始邮件|转发的?邮件).*"
    r"|on .{4,80} wrote:|from ?:.*\n[ \t]*(sent|date|to|subject) ?:.*|(发件人|寄件人) ?[:\uff1a].*"
    r"|在.{2,60}写道[:\uff1a]|_{10,})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNATURE_BEGINS: Final = re.compile(
    r"^[ \t]*(--|—|__|sent from my .*|发自我的.*|(with )?(kind|best|warm|many)? ?(regards|wishes),?"
    r"|sincerely,?|cheers,?|yours( \w+)?,?|此致|敬礼|祝好|顺颂.*|祝.{0,4}(愉快|顺利|商祺)[!\uff01。]?)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAME_BEGINS: Final = re.compile(  # a paragraph that opens with a name and, beside or below it, a title or a firm
    r"\n[ \t]*\n[ \t]*([A-Z][\w.'-]+(?: [A-Z][\w.'-]+){1,3}|[\u4e00-\u9fff]{2,4})(?:[ \t]*[|,/]|\n)[^\n]{0,60}"
    r"(?:\b(?i:officer|manager|director|head of|chief|lead|owner|founder|department|team|office|ltd|inc|gmbh|tel)\b"
    r"|经理|总监|主任|部门|公司|中心|办公室|集团|科长|店长|电话)"
)
_NOT_SAID: Final = re.compile(
    r"```[\s\S]*?(```|\Z)"  # code
    r"|`[^`\n]+`"
    r"|^[ \t]*[>|].*$"  # quoted lines
    r"|^[ \t]*(\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d|\d\d:\d\d:\d\d|\w{3} \d+ \d\d:\d\d:\d\d).*$"  # lines of a log
    r"|^[ \t]*(\[?\w[\w.:-]*\]? )?\[?(DEBUG|INFO|WARN|WARNING|ERROR|FATAL|CRITICAL)\][ :].*$"
    r"|^[ \t]*(Traceback \(|File \".*\", line \d|at [\w$.<>]+\(|Caused by:|\w+(Error|Exception):).*$"
    r"|^[ \t]*([\[{][^\n]*[\]}]|[\[\]{}]),?[ \t]*$"  # data
    r"|https?://\S+|www\.\S+|[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{2,64}|<[^<>\n]{1,200}>",
    re.MULTILINE,
)


def own_words(text: str) -> str:
    r"""What is left when quoted replies, signatures, links, code and lines of logs are taken out; at most `LONGEST`.

    >>> own_words("Still broken.\n\n-- \nTom, head of planning\n> We are sorry for the terrible wait")
    'Still broken.'
    """
    text = text[: 4 * LONGEST].replace("\r\n", "\n").replace("\u2019", "'")
    for begins in (_QUOTE_BEGINS, _SIGNATURE_BEGINS, _NAME_BEGINS):
        found = next((match for match in begins.finditer(text) if text[: match.start()].strip()), None)
        if found is not None:
            text = text[: found.start()]
    said = _NOT_SAID.sub(" ", text)
    return re.sub(r"[ \t]+", " ", said).strip()[:LONGEST]
