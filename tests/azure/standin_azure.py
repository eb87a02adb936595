"""Stands in for Azure on this machine: the query API over a local store, and an `az` that is signed in."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pf_monitor.insights import Store
from pf_monitor.table import QueryError, Table

TOKEN = "token-of-the-stand-in"


class Azure:
    """What was asked, and what is to be answered."""

    def __init__(self, url: str, certificate: Path) -> None:
        self.url = url
        self.certificate = certificate
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.authorization: list[str | None] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        """Answers to give before the store's."""


@contextmanager
def serving(store: Store, folder: Path) -> Iterator[Azure]:
    """Serve the query API over https, within."""
    certificate = _certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            azure.asked.append((self.path, body))
            azure.authorization.append(self.headers["Authorization"])
            status, answer = azure.answers.pop(0) if azure.answers else _answer(store, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        azure = Azure(f"https://127.0.0.1:{server.server_port}", certificate)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield azure
        server.shutdown()
        thread.join()


def _answer(store: Store, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        return 200, tables(store.query(body["query"]))
    except QueryError as error:
        inner = {"code": "SYN0002", "message": error.message, "line": error.line, "pos": error.pos}
        middle = {"code": "SyntaxError", "message": "A syntax error has been identified.", "innererror": inner}
        return 400, {"error": {"code": "BadArgumentError", "message": "Invalid properties", "innererror": middle}}


def tables(table: Table) -> dict[str, Any]:
    """Return a result as the query API has it."""
    columns = [{"name": column.name, "type": column.type} for column in table.columns]
    answer: dict[str, Any] = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": table.rows}]}
    return answer | ({"render": {"visualization": table.visualization}} if table.visualization else {})


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    path = folder / "certificate.pem"
    path.write_bytes(pem)
    return path


_AZ = """\
#!/usr/bin/env bash
# A stand-in for the Azure CLI: it is signed in, knows every resource, and writes down what it is told to do.
printf '%q ' "$@" >>"{log}"
echo >>"{log}"
for argument in "$@"; do
    case "$argument" in @*) cat "${{argument#@}}" >>"{log}" ;; esac
done
case "$1 $2" in
    "account get-access-token") echo '{{"accessToken": "{token}", "expires_on": 4102444800, "subscription": "s",
        "tenant": "t", "tokenType": "Bearer", "expiresOn": "2099-12-31 00:00:00.000000"}}' ;;
    "account show") exit "${{AZ_SIGNED_OUT:-0}}" ;;
    "resource show") echo northeurope ;;
esac
"""


def install_az(folder: Path) -> Path:
    """Write the stand-in `az` into a folder; return the file in which it writes down its arguments."""
    log = folder / "az.log"
    folder.mkdir(exist_ok=True)
    (folder / "az").write_text(_AZ.format(log=log, token=TOKEN))
    (folder / "az").chmod(0o755)
    return log
