"""The file that says which rules there are and who is told: read with the place of every mistake, and written anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pf_monitor import queries
from pf_monitor.alerts.rules import (
    DEFAULTS,
    MOST_PERIODS,
    PERIODS,
    WINDOWS,
    Failing,
    Rule,
    Severity,
    read_condition,
    spelled,
)

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

FILE_NAME: Final = "alerts.yaml"
_MOST_BYTES: Final = 1_000_000
_MOST_RULES: Final = 100
_MOST_RECEIVERS: Final = 20
_MUST_BE_SAID: Final = ("query", "measure", "when", "window")
"""What a rule that has no default by its name cannot leave out."""


class ConfigError(Exception):
    """The file cannot be used; the message has its place and what is allowed."""


@dataclass(frozen=True)
class Config:
    """What a file says."""

    rules: tuple[Rule, ...] = ()
    receivers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Addresses by name, in the form that apprise takes. They hold secrets: never print them."""


def read(path: Path, *, with_receivers: bool = True) -> Config:
    """Read a file of rules and receivers.

    Args:
        path: The file.
        with_receivers: Whether addresses are made of the environment's variables and checked; without, nobody can be
            told, and no secret is needed.

    Raises:
        ConfigError: If it cannot be read, or says what it cannot.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path} is larger than {_MOST_BYTES:,} bytes")
        content = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"There is no {path}. Write one with: pf-monitor alerts new") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise ConfigError(
            f"{place}: this is not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}"
        ) from None
    return _Reader(path, with_receivers=with_receivers).config(content)


class _Reader:
    """Turns what a file holds into rules and receivers, and knows where everything stands."""

    def __init__(self, path: Path, *, with_receivers: bool) -> None:
        self._path = path
        self._with_receivers = with_receivers

    def config(self, content: object) -> Config:
        if content is None:
            return Config()
        document = self._mapping(content, "the file", ("notify", "rules"))
        receivers = self._receivers(document)
        rules = self._section(document, "rules", _MOST_RULES)
        self._check_names(rules)
        return Config(tuple(self._rule(rules, name, receivers) for name in rules), receivers)

    def _receivers(self, document: CommentedMap) -> dict[str, str]:
        section = self._section(document, "notify", _MOST_RECEIVERS)
        return {name: self._address(section, name) for name in section}

    def _address(self, section: CommentedMap, name: str) -> str:
        value = section[name]
        if not isinstance(value, str) or ("://" not in value and "${" not in value):
            self._fail(section, name, "an address is text such as json://127.0.0.1:8080/hook or ${TEAMS_URL}")
        if not self._with_receivers:
            return ""
        missing = [one for one in _VARIABLE.findall(value) if not os.environ.get(one)]
        if missing:
            self._fail(section, name, f"the environment variable {missing[0]} is not set")
        address = _VARIABLE.sub(lambda match: os.environ[match[1]], value)
        from pf_monitor.alerts.notification import is_address

        if not is_address(address):  # the address itself is not repeated: it may hold a password
            self._fail(section, name, "apprise does not understand this address; docs/alerts.md has examples")
        return address

    def _rule(self, section: CommentedMap, name: str, receivers: Mapping[str, str]) -> Rule:
        if not _NAME.fullmatch(str(name)):
            self._fail(section, name, "a rule's name is made of letters, digits, - and _, at most 60")
        default = DEFAULTS.get(name)
        said = self._mapping({} if section[name] is None else section[name], f"rules.{name}", _KEYS, section, name)
        missing = [] if default else [key for key in _MUST_BE_SAID if key not in said]
        if missing:
            self._fail(section, name, f"'{missing[0]}' is missing; only {', '.join(DEFAULTS)} may leave something out")
        values: dict[str, Any] = {_FIELDS[key][0]: self._value(said, key) for key in said}
        rule = replace(default or _blank(name), **values)
        self._check(rule, said, section, receivers)
        return rule

    def _check_names(self, rules: CommentedMap) -> None:
        """Refuse names that become the same where Azure takes neither case nor - and _ into account."""
        seen: dict[str, str] = {}
        for name in rules:
            other = seen.setdefault(re.sub(r"[-_]", "", str(name)).lower(), name)
            if other != name:
                self._fail(rules, name, f"this is too much like {other!r}; choose another name")

    def _value(self, said: CommentedMap, key: str) -> object:
        try:
            return _FIELDS[key][1](said[key])
        except ValueError as error:
            self._fail(said, key, str(error))

    def _check(self, rule: Rule, said: CommentedMap, section: CommentedMap, receivers: Mapping[str, str]) -> None:
        holder, key = (said, "every") if "every" in said else (section, rule.name)
        if rule.every > rule.window:
            self._fail(holder, key, f"every {spelled(rule.every)} leaves gaps in a window of {spelled(rule.window)}")
        unknown = [name for name in rule.notify or () if name not in receivers]
        if unknown:
            known = f"known are {', '.join(receivers)}" if receivers else "there are none under 'notify'"
            self._fail(said, "notify", f"there is no receiver {unknown[0]!r}; {known}")

    def _section(self, document: CommentedMap, key: str, most: int) -> CommentedMap:
        from ruamel.yaml.comments import CommentedMap

        value = document.get(key)
        if value is None:
            return CommentedMap()
        if not isinstance(value, CommentedMap):
            self._fail(document, key, "this should be a mapping of names")
        if len(value) > most:
            self._fail(document, key, f"there are {len(value)} entries; at most {most} are taken")
        return value

    def _mapping(
        self, value: object, what: str, allowed: Iterable[str], holder: CommentedMap | None = None, key: str = ""
    ) -> CommentedMap:
        from ruamel.yaml.comments import CommentedMap

        if value == {}:
            return CommentedMap()
        if not isinstance(value, CommentedMap):
            self._fail(holder, key, f"{what} should be a mapping with {', '.join(allowed)}")
        unknown = [one for one in value if one not in tuple(allowed)]
        if unknown:
            self._fail(value, unknown[0], f"this is not known here; allowed are {', '.join(allowed)}")
        return value

    def _fail(self, holder: CommentedMap | None, key: str, message: str) -> NoReturn:
        line = 0 if holder is None or key not in holder.lc.data else holder.lc.key(key)[0]
        name = f": {key}" if key else ""
        raise ConfigError(f"{self._path}, line {line + 1}{name}: {message}")


_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_NAME: Final = re.compile(r"[\w-]{1,60}")


def _blank(name: str) -> Rule:
    """What a rule of the user's own has where it leaves something out."""
    return replace(
        DEFAULTS["error-rate"], name=name, failing=Failing(1, 1), severity=Severity.WARNING, means="", look_at=""
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("this should be text")  # noqa: TRY004 - one kind of error for all values
    return value.strip()


def _query(value: object) -> str:
    if value not in queries.names():
        raise ValueError(f"there is no query {value!r}; known are {', '.join(queries.names())}")
    if set(queries.parameters(str(value))) - {"since", "until"}:
        raise ValueError(f"{value} cannot be a rule's query, since it asks for more than a time range")
    return str(value)


def _period(known: Mapping[str, timedelta]) -> Callable[[object], timedelta]:
    def read(value: object) -> timedelta:
        if value not in known:
            raise ValueError(f"{value!r} is not allowed; give one of {', '.join(known)}")
        return known[str(value)]

    return read


def _severity(value: object) -> Severity:
    names = [one.name.lower() for one in Severity]
    if str(value) not in names:
        raise ValueError(f"{value!r} is not a severity; give one of {', '.join(names)}")
    return Severity[str(value).upper()]


def _failing(value: object) -> Failing:
    match = re.fullmatch(r"(\d) of (\d)", str(value))
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST_PERIODS:
        raise ValueError(f"{value!r} is not allowed; write how many evaluations of how many, at most '6 of 6'")
    return Failing(int(match[1]), int(match[2]))


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("this should be a list of names under the file's 'notify', such as [team]")
    return tuple(value)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[Any], object]]]] = {
    "query": ("query", _query),
    "measure": ("measure", _text),
    "when": ("condition", lambda value: read_condition(str(value))),
    "window": ("window", _period(WINDOWS)),
    "every": ("every", _period(PERIODS)),
    "severity": ("severity", _severity),
    "failing": ("failing", _failing),
    "notify": ("notify", _names),
    "means": ("means", _text),
    "look-at": ("look_at", _text),
}
"""What a rule may say, the field that holds it, and how it is read."""

_KEYS: Final = tuple(_FIELDS)


def template() -> str:
    """Return a new file: the rules that everybody starts from, with what can be said about each."""
    return _HEAD + "\n".join(_written(rule) for rule in DEFAULTS.values())


_HEAD: Final = """\
# Alerts of pf-monitor. `pf-monitor alerts validate` checks this file, `pf-monitor alerts test` sends to everyone below,
# `pf-monitor up` evaluates the rules when it starts with this file in its data folder (or with --alerts FILE), and
# `pf-monitor azure export` writes them for Azure.

# Who is told: a name of your own, and an address as apprise has them. Keep secrets in environment variables.
notify:
  # mail: mailtos://${MAIL_USER}:${MAIL_PASSWORD}@smtp.example.com?to=team@example.com
  # teams: ${TEAMS_URL}
  # slack: ${SLACK_URL}
  # webhook: jsons://hooks.example.com/pf-monitor

# What is watched. A rule with one of these names takes what it leaves out from the built-in rule. One of your own needs
# query, measure, when and window; `notify: [NAME]` in a rule tells only these receivers.
rules:
"""


def _written(rule: Rule) -> str:
    lines = {
        "query": rule.query,
        "measure": rule.measure,
        "when": f'"{rule.condition}"',
        "window": spelled(rule.window),
        "every": spelled(rule.every),
        "failing": str(rule.failing),
        "severity": rule.severity.name.lower(),
    }
    body = "".join(f"    {key}: {value}\n" for key, value in lines.items())
    return f"  # {rule.means}\n  {rule.name}:\n{body}"
