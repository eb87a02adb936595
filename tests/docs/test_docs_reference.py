"""The reference page names what there is, all of it, and nothing else."""

from __future__ import annotations

import ast
import inspect
import re

import pytest
import typer
from doc_pages import PACKAGE, code, read, rows, sections

import pf_monitor
from pf_monitor.cli import app
from pf_monitor.flowfile import settings as flow_settings
from pf_monitor.instrument import columns

PAGE = "reference.md"

COMMAND_PAGES = ("alerts.md", "azure-workbook.md")

COMING: frozenset[str] = frozenset()
"""Commands that the page describes before the code has them. Take a name out when its command is there."""

_VARIABLE = re.compile(r"(PF_MONITOR|APPLICATIONINSIGHTS|APPINSIGHTS|OTEL|AML|PROMPTFLOW)_[A-Z0-9_]+")


def first_column(text):
    return [name for row in rows(text) for name in code(row[0])]


# Decorators and functions.

DOCUMENTED = {
    name: text
    for heading, text in sections(PAGE, 3).items()
    if (name := heading.strip("`")).isidentifier() and heading.startswith("`")
}


def test_every_public_name_has_its_section_and_nothing_else_has():
    public = set(pf_monitor.__all__)
    missing, unknown = public - DOCUMENTED.keys(), DOCUMENTED.keys() - public
    assert not missing, f"{PAGE} has no section for {sorted(missing)}"
    assert not unknown, f"{PAGE} has sections for {sorted(unknown)}, which are not in pf_monitor.__all__"


def parameters(name):
    found = inspect.signature(getattr(pf_monitor, name)).parameters.values()
    named = [p for p in found if p.kind is not p.POSITIONAL_ONLY]  # the decorated function itself
    return {f"**{p.name}" if p.kind is p.VAR_KEYWORD else p.name: p for p in named}


@pytest.mark.parametrize("name", pf_monitor.__all__)
def test_every_parameter_is_in_the_table_of_its_function_and_nothing_else_is(name):
    documented, actual = set(first_column(DOCUMENTED.get(name, ""))), parameters(name)
    missing, unknown = actual.keys() - documented, documented - actual.keys()
    assert not missing, f"{PAGE}, section {name}: the parameters {sorted(missing)} are not in the table"
    assert not unknown, f"{PAGE}, section {name}: there are no parameters {sorted(unknown)}"


@pytest.mark.parametrize("name", ["record_usage", "flush"])
def test_the_defaults_of_functions_are_as_documented(name):
    actual = parameters(name)
    for row in rows(DOCUMENTED[name]):
        [parameter], default = code(row[0]), code(row[2])
        if default:
            assert repr(actual[parameter].default).replace("'", '"') == default[0], f"{PAGE}, {name}, {parameter}"
        else:
            assert actual[parameter].default in (None, inspect.Parameter.empty), f"{PAGE}, {name}, {parameter}"


# Settings.


def constants(path):
    return [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]


def variables_in_code():
    # Those of the columns are put together from the columns' names.
    return {f"PF_MONITOR_{column.upper()}" for column in columns._COLUMNS} | {
        value
        for path in PACKAGE.rglob("*.py")
        for value in constants(path)
        if isinstance(value, str) and _VARIABLE.fullmatch(value)
    }


def test_every_environment_variable_is_documented_and_no_other():
    documented, actual = set(first_column(sections(PAGE, 3)["Environment variables"])), variables_in_code()
    missing, unknown = actual - documented, documented - actual
    assert not missing, f"{PAGE} has no row for the environment variables {sorted(missing)}"
    assert not unknown, f"{PAGE} has rows for {sorted(unknown)}, which the code does not know"


def test_every_flow_file_key_is_documented_and_no_other():
    tree = ast.parse((PACKAGE / "flowfile" / "settings.py").read_text())
    actual = {
        vars(flow_settings)[key.id] if isinstance(key, ast.Name) else key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "document.get"
        for key in node.args[:1]
    }
    documented = set(first_column(sections(PAGE, 3)["Flow file keys"]))
    assert actual, "flowfile/settings.py no longer reads keys by document.get"
    assert documented == actual, f"{PAGE}, flow file keys: missing {actual - documented}, unknown {documented - actual}"
    for name in flow_settings.FLOW_FILES:
        assert name in code(sections(PAGE, 3)["Flow file keys"]), f"{PAGE}: {name} is not named as a flow file"


# Commands.


def commands(group, prefix=""):
    """Give every command by its name, those of a group by both names: `alerts new`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", command


ACTUAL_COMMANDS = dict(commands(typer.main.get_command(app)))


def split(words):
    """Return a command's name and what follows it."""
    length = 2 if " ".join(words[:2]) in ACTUAL_COMMANDS else 1
    return " ".join(words[:length]), words[length:]


COMMAND_SECTIONS = {
    name: (arguments, text)
    for heading, text in sections(PAGE, 3).items()
    if (words := heading.strip("`").split()) and words[0] == "pf-monitor"
    for name, arguments in [split(words[1:])]
}


def test_every_command_has_its_section_and_nothing_else_has():
    missing = ACTUAL_COMMANDS.keys() - COMMAND_SECTIONS.keys()
    unknown = COMMAND_SECTIONS.keys() - ACTUAL_COMMANDS.keys() - COMING
    assert not missing, f"{PAGE} has no section '### `pf-monitor NAME`' for the commands {sorted(missing)}"
    assert not unknown, f"{PAGE} has sections for the commands {sorted(unknown)}, which do not exist"


def test_no_command_is_said_to_come_that_is_there():
    here = COMING & ACTUAL_COMMANDS.keys()
    assert not here, f"{sorted(here)} exist now: take them out of COMING in {__name__}"
    forgotten = COMING - COMMAND_SECTIONS.keys()
    assert not forgotten, f"{sorted(forgotten)} are in COMING without a section in {PAGE}"


@pytest.mark.parametrize("name", sorted(ACTUAL_COMMANDS))
def test_every_option_of_a_command_is_in_its_table_and_nothing_else_is(name):
    arguments, text = COMMAND_SECTIONS.get(name, ([], ""))
    options = {
        option: parameter
        for parameter in ACTUAL_COMMANDS[name].params
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option not in ("--help", "-h")
    }
    documented = {option: row for row in rows(text) for option in code(row[0])}
    missing, unknown = options.keys() - documented.keys(), documented.keys() - options.keys()
    assert not missing, f"{PAGE}, pf-monitor {name}: the options {sorted(missing)} are not in the table"
    assert not unknown, f"{PAGE}, pf-monitor {name}: there are no options {sorted(unknown)}"
    for option, parameter in options.items():
        if parameter.default not in (None, False):
            assert str(parameter.default) in code(documented[option][2]), (
                f"{PAGE}, pf-monitor {name} {option}: the default is {parameter.default}"
            )
    names = [
        parameter.metavar or parameter.name.upper()
        for parameter in ACTUAL_COMMANDS[name].params
        if parameter.param_type_name == "argument"
    ]
    shown = [argument.strip("[]") for argument in arguments]
    assert shown == names, f"{PAGE}, pf-monitor {name}: the arguments are {names}, the heading shows {shown}"


def test_commands_and_options_that_other_pages_use_exist():
    known = {name: {o for p in command.params for o in p.opts} for name, command in ACTUAL_COMMANDS.items()}
    for page in (
        "getting-started.md",
        "troubleshooting.md",
        "telemetry.md",
        "azure-portal.md",
        "index.md",
        *COMMAND_PAGES,
    ):
        for line in re.findall(r"pf-monitor ([a-z][^`\n]*)", read(page)):
            name, words = split(line.split())
            rest = "".join(f" {word}" for word in words)
            if name in COMING or name not in known:
                assert name in COMING or f"pf-monitor {name}" not in code(read(page)), (
                    f"{page}: there is no pf-monitor {name}"
                )
                continue
            used = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
            assert used <= known[name] | {"--help"}, f"{page}: pf-monitor {name} has no {sorted(used - known[name])}"
