"""The normal form of an e-mail address: one spelling for each mailbox, as far as that can be known without asking.

Lower case, trimmed, the domain in its ASCII form (IDNA 2008 with UTS 46 mapping). Strictly the part before
the @ may be case sensitive (RFC 5321, 2.4); no provider of note makes it so. Gmail ignores dots and whatever
follows a plus sign, and googlemail.com is gmail.com: folding these is a setting.
"""

import re
from unicodedata import normalize

import idna

ADDRESS_CHARS_MAX = 254  # RFC 5321, 4.5.3.1.3
LOCAL_BYTES_MAX = 64
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
# Unquoted local parts: RFC 5322 dot-atoms, and any character above ASCII (RFC 6531).
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\ud7ff\ue000-\U0010ffff]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalise_email(text: str, gmail_dots: bool = True, gmail_plus_tags: bool = True) -> str | None:
    """`text` in its normal form, or None if it is not an e-mail address.

    `gmail_dots` removes the dots of Gmail addresses, `gmail_plus_tags` their "+tag".
    """
    text = text.strip()
    if len(text) > ADDRESS_CHARS_MAX:
        return None
    local, _, domain = text.rpartition("@")
    local = local.lower()
    if not local.isascii():
        local = normalize("NFC", local)
        if any(c.isspace() or not c.isprintable() for c in local):
            return None
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None or not _LOCAL.fullmatch(local) or len(local.encode()) > LOCAL_BYTES_MAX:
        return None
    if ascii_domain in _GMAIL:
        if gmail_plus_tags:
            local = local.partition("+")[0]
            ascii_domain = "gmail.com"
        if gmail_dots:
            local = local.replace(".", "")
            ascii_domain = "gmail.com"
        if not local or local.endswith("."):
            return None
    return f"{local}@{ascii_domain}"


def _ascii_domain(domain: str) -> str | None:
    """The domain as it stands in the DNS, or None if it cannot stand there."""
    domain = domain.removesuffix(".")
    if domain.isascii():
        domain = domain.lower()
    else:
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except UnicodeError:  # idna.IDNAError is one
            return None
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        return None
    return domain
