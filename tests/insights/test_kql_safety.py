"""A query reads the tables. It cannot write, and cannot reach files, settings, extensions or the network."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from talk import request

from pf_monitor.insights import Store
from pf_monitor.insights.envelope import to_row
from pf_monitor.insights.relations import check_relations
from pf_monitor.table import QueryError

HOSTILE = [
    # other relations
    "duckdb_settings",
    "duckdb_settings()",
    "['duckdb_settings'] | take 1",
    "sqlite_master",
    "['information_schema.tables']",
    "['items.requests']",
    "['{file}'] | take 1",
    "database('items').requests",
    "database('system').requests",
    "cluster('x').database('y').requests",
    "union requests, duckdb_tables",
    "union withsource=T duckdb_*",
    "requests | join kind=inner (duckdb_settings) on $left.name == $right.name",
    "requests | where name in (duckdb_settings | project name)",
    "print x = toscalar(duckdb_settings | project value | take 1)",
    "let t = ['{file}']; t | take 1",
    "table('duckdb_settings')",
    "external_table('x')",
    "externaldata(x: string) [@'{file}']",
    "externaldata(x: string) ['http://127.0.0.1:1/x']",
    # functions
    "print x = getenv('HOME')",
    "print x = current_setting('temp_directory')",
    "print x = read_text('{file}')",
    "print x = glob('/*')",
    "print x = pg_read_file('{file}')",
    "print x = query('select 1')",
    "print x = getvariable('x')",
    "print x = pf_monitor_documents()",
    "read_csv('{file}')",
    "read_text('{file}') | take 1",
    "requests | invoke read_text()",
    "requests | evaluate http_request('http://127.0.0.1:1/')",
    "requests | evaluate python(typeof(*), 'import os')",
    # statements and commands
    "copy requests to '{file}'",
    "install httpfs",
    "load httpfs",
    "pragma database_list",
    "attach '{file}'",
    "set enable_external_access = true",
    "requests; drop table items.requests",
    "requests | take 1; delete from items.requests",
    ".drop table requests",
    ".set-or-replace requests <| requests | take 0",
    ".create database x",
    ".show tables",
    ".ingest into table requests (h'{file}')",
]


@pytest.mark.parametrize("kql", HOSTILE)
def test_hostile_queries_are_refused(store: Store, tmp_path: Path, kql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("name\nsecret\n")
    store.append([to_row(request())])
    files = sorted(tmp_path.rglob("*"))

    with pytest.raises(QueryError):
        store.query(kql.replace("{file}", str(secret)))

    assert store.query("requests | count").rows == [[1]]
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE items.requests; --",
        "\\'; DROP TABLE items.requests; --",
        '"; DROP TABLE items.requests; --',
        "x') OR 1=1 --",
        "$$ || getenv('HOME') || $$",
        "json_extract(\"customDimensions\", '$.k') ->> '$'",
    ],
)
def test_sql_in_text_stays_text(store: Store, text: str) -> None:
    store.append([to_row(request(text, properties={text: "found", "k": "v"}))])
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    by_name = store.query(f"requests | where name == {literal} | project name, k = tostring(customDimensions.k)")
    by_property = store.query(f"requests | project x = tostring(customDimensions[{literal}])")
    by_alias = store.query(f"requests | project [{literal}] = 1 | count")

    assert (by_name.rows, by_property.rows, by_alias.rows) == ([[text, "v"]], [["found"]], [[1]])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM duckdb_settings",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM read_csv('x')",
        "SELECT * FROM 'x.csv'",
        "SELECT * FROM main.requests",
        "SELECT * FROM system.items.requests",
        "SELECT (SELECT count(*) FROM duckdb_tables())",
        "WITH a AS (SELECT * FROM items.secrets) SELECT * FROM a",
        "DELETE FROM items.requests",
        "SELECT 1; SELECT 2",
        "COPY items.requests TO 'x'",
    ],
)
def test_the_last_lock_holds_by_itself(sql: str) -> None:
    with duckdb.connect() as connection, pytest.raises(QueryError):
        check_relations(connection, sql)


def test_the_database_is_locked_down(store: Store, tmp_path: Path) -> None:
    connection = store._connection.cursor()
    for statement in (
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "INSTALL httpfs",
        "LOAD httpfs",
        f"ATTACH '{tmp_path / 'other.db'}'",
        f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
        "SELECT * FROM read_text('/etc/hostname')",
    ):
        with pytest.raises(duckdb.Error):
            connection.execute(statement)
    connection.close()
