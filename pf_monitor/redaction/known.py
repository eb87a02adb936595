"""Secrets that a process was given: the values of its environment, in each way in which a text may hold them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

_SHORTEST = 8
"""Characters below which a value is no secret, or is so common that nothing could be read any more."""

_SHORTEST_WORD = 16
"""The same without a digit: `stand-in` and `not-needed` are what people write where no key is wanted."""

_LONGEST = 8_192
_MOST = 200
_DIRECTORIES = ("PWD", "OLDPWD")
"""By POSIX these hold directories and no passwords: every stack of the user's own code names one."""

_ENDINGS = ("_KEY", "_PASS", "_PAT", "_AUTH", "_CREDENTIALS")


def known_values(environment: Mapping[str, str], is_secret_name: Callable[[str], bool]) -> list[str]:
    """Return the secrets of an environment as they may be written, the longest first.

    Args:
        environment: Names and values of variables.
        is_secret_name: Whether a name says that a secret stands behind it.
    """
    secrets = {
        secret.strip()
        for name, value in environment.items()
        if name not in _DIRECTORIES
        for secret in _secrets(name, value, is_secret_name)
        if _is_telling(secret.strip())
    }
    written = {form for secret in sorted(secrets)[:_MOST] for form in _forms(secret)}
    return sorted(written, key=lambda form: (-len(form), form))


def _is_telling(secret: str) -> bool:
    shortest = _SHORTEST if any(map(str.isdigit, secret)) else _SHORTEST_WORD
    return shortest <= len(secret) <= _LONGEST


def _secrets(name: str, value: str, is_secret_name: Callable[[str], bool]) -> Iterator[str]:
    if is_secret_name(name) or name.upper().endswith(_ENDINGS):
        yield value
    for part in value.split(";"):
        key, separator, pair_value = part.partition("=")
        if separator and is_secret_name(key.strip()):
            yield pair_value
    if "://" in value and "@" in value:
        yield from _password(value)


def _password(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address.strip()).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")
    yield quote_plus(secret)
