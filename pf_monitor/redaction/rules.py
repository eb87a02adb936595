"""Reading rules for redaction: the built-in ones, and those of the user's own file."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import re2

from pf_monitor.redaction import RedactionError

_MEMORY_BYTES = 64 << 20
"""What RE2 may keep of its automaton; with too little it would begin anew again and again, and be slow."""

_LONGEST_FILE = 1_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_ANCHOR = re.compile(r"(?<!\\)(?:\\\\)*\\[AzZ]")

_KEYS_VALUE = (
    # A quoted value: JSON's, Python's, and JSON within JSON, whose quotes have backslashes.
    r'(?:\\*["\'])?\s*(?:=>|:=|[:=]|\\*["\']?\s*,\s*\\*["\']value\\*["\']\s*[:=])\s*[\[(]?\s*b?(?:'
    r'\\+"((?:[^"\\]|\\\\+[^"\\]|\\\\\\+")+)|'
    r'"((?:[^"\\]|\\.)+)|'
    r"\\*'((?:[^'\\]|\\.)+))",
    # A bare one: of a connection string, an address, a command line, a file of settings.
    r"\s?=\s?((?:(?:bearer|basic|sharedaccesssignature)[ +])?(?:\{[^}\r\n]+\}|[^\s\"'\\,;&<>(){}\[\]]+))",
    # A bare one in prose or a header. "token: a unit of text" is not a secret.
    r":[ \t]*((?:[a-z]+ )?(?:[^\s\"'\\,;&<>(){}\[\]]*[0-9][^\s\"'\\,;&<>(){}\[\]]{2,}|[^\s\"'\\,;&<>(){}\[\]]{16,}))",
    r">([^<\s][^<]*)</",
)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: What takes the place of what it finds: `[redacted NAME]`.
        keys: Names behind which a secret stands; see `rules.toml`.
        patterns: Regular expressions in RE2's syntax.
    """

    name: str
    keys: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    @property
    def expressions(self) -> tuple[str, ...]:
        """All that it looks for, as regular expressions; the first group that matches is what is redacted."""
        if not self.keys:
            return self.patterns
        names = f"(?:{'|'.join(_spellings(key) for key in self.keys)})"
        return (*(f"(?i){names}{value}" for value in _KEYS_VALUE), *self.patterns)


def built_in() -> tuple[Rule, ...]:
    """Return the rules that hold unless a file takes some out."""
    return _built_in()


def with_file(path: Path) -> tuple[Rule, ...]:
    """Return the built-in rules without those that a file takes out, and with its own.

    Args:
        path: A TOML file with `[[rule]]` tables, and perhaps `without`, a list of names of built-in rules.

    Raises:
        RedactionError: If it cannot be read, or is wrong.
    """
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise RedactionError(f"{path} is larger than {_LONGEST_FILE:,} bytes")
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RedactionError(f"{path} cannot be read: {error}") from error
    if unknown := document.keys() - {"rule", "without"}:
        raise RedactionError(f"{path} has {sorted(unknown)}; there are `rule` and `without`")
    without = _texts(document, "without", str(path))
    names = [rule.name for rule in built_in()]
    if strangers := set(without) - set(names):
        raise RedactionError(f"{path}: `without` names {sorted(strangers)}; built in are {', '.join(names)}")
    kept = tuple(rule for rule in built_in() if rule.name not in without)
    return kept + _rules(document, str(path))


def options() -> re2.Options:
    """Return how expressions are compiled: without a word on standard error, which RE2 would write its errors to."""
    made = re2.Options()
    made.max_mem = _MEMORY_BYTES
    made.log_errors = False
    return made


def key_names(rules: Sequence[Rule]) -> str:
    """Return the expression that a whole name matches when it says that a secret stands behind it."""
    return f"(?i).*(?:{'|'.join(_spellings(key) for rule in rules for key in rule.keys) or '[^[:ascii:][:^ascii:]]'})"


@functools.cache
def _built_in() -> tuple[Rule, ...]:
    text = files("pf_monitor.redaction").joinpath("rules.toml").read_text(encoding="utf-8")
    return _rules(tomllib.loads(text), "rules.toml")


def _rules(document: Mapping[str, Any], where: str) -> tuple[Rule, ...]:
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RedactionError(f"{where}: rules are tables, each beginning with [[rule]]")
    return tuple(_rule(table, where) for table in tables)


def _rule(table: Mapping[str, Any], where: str) -> Rule:
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RedactionError(f"{where}: a rule needs a `name` of small letters, digits and hyphens; got {name!r}")
    where = f"{where}, rule {name}"
    if unknown := table.keys() - {"name", "keys", "patterns"}:
        raise RedactionError(f"{where} has {sorted(unknown)}; there are `name`, `keys` and `patterns`")
    rule = Rule(name, _texts(table, "keys", where), _texts(table, "patterns", where))
    if not rule.keys and not rule.patterns:
        raise RedactionError(f"{where} has neither `keys` nor `patterns`")
    for pattern in rule.patterns:
        _check(pattern, where)
    return rule


def _check(pattern: str, where: str) -> None:
    if _ANCHOR.search(pattern):
        raise RedactionError(f"{where}: {pattern!r} has \\A or \\z; write ^ or $")
    try:
        compiled = re2.compile(pattern, options())
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise RedactionError(f"{where}: {pattern!r} is no expression of RE2: {reason}") from None
    if compiled.search("") is not None:
        raise RedactionError(f"{where}: {pattern!r} matches nothing at all, and so would match everywhere")


def _texts(table: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    texts = table.get(field, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise RedactionError(f"{where}: `{field}` is a list of texts")
    return tuple(texts)


def _spellings(key: str) -> str:
    return r"[ _.\-]?".join(re2.escape(word) for word in re.split(r"[ _.\-]+", key.strip()))
