"""Two hundred secrets of the shapes that providers give them; made from a seed, so that none was ever anybody's."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + "234567"
URL_SAFE = LETTERS + "-_"


class Planted(NamedTuple):
    """A secret.

    Attributes:
        kind: Whose it is.
        text: As it is written somewhere.
        core: What of it must arrive nowhere.
    """

    kind: str
    text: str
    core: str


class Maker:
    """Makes secrets from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def of(self, alphabet: str, length: int) -> str:
        """Return that many characters, a digit among them, as in all long keys."""
        text = "".join(self._random.choices(alphabet, k=length - 1))
        place = self._random.randrange(1, length - 1)
        return text[:place] + self._random.choice("23456789") + text[place:]

    def base64(self, size: int) -> str:
        return base64.b64encode(self._random.randbytes(size)).decode()

    def jwt(self) -> str:
        parts = [json.dumps({"alg": "HS256"}), json.dumps({"sub": self.of(HEX, 12)}), self.of(LETTERS, 32)]
        return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)

    def uuid(self) -> str:
        return "-".join(self.of(HEX, size) for size in (8, 4, 4, 4, 12))


Make = Callable[[Maker], str]

SHAPED: dict[str, Make] = {
    "openai": lambda m: f"sk-{m.of(LETTERS, 20)}T3BlbkFJ{m.of(LETTERS, 20)}",
    "openai project": lambda m: f"sk-proj-{m.of(URL_SAFE, 74)}T3BlbkFJ{m.of(URL_SAFE, 74)}",
    "openai service account": lambda m: f"sk-svcacct-{m.of(URL_SAFE, 60)}",
    "openai admin": lambda m: f"sk-admin-{m.of(URL_SAFE, 58)}",
    "anthropic": lambda m: f"sk-ant-api03-{m.of(URL_SAFE, 93)}AA",
    "openrouter": lambda m: f"sk-or-v1-{m.of(HEX, 64)}",
    "deepseek": lambda m: f"sk-{m.of(HEX, 32)}",
    "langfuse": lambda m: f"sk-lf-{m.uuid()}",
    "azure openai": lambda m: f"{m.of(LETTERS, 52)}JQQJ99{m.of(LETTERS, 10)}AC{m.of(LETTERS, 4)}ACOG{m.of(LETTERS, 4)}",
    "azure search": lambda m: f"{m.of(LETTERS, 42)}AzSe{m.of(LETTERS, 6)}",
    "azure storage": lambda m: m.base64(64),
    "azure function": lambda m: f"{m.of(URL_SAFE, 44)}AzFu{m.of(URL_SAFE, 5)}A==",
    "azure service bus": lambda m: f"{m.of(LETTERS, 33)}ASbE{m.of(LETTERS, 5)}k=",
    "azure event hub": lambda m: f"{m.of(LETTERS, 33)}AEhE{m.of(LETTERS, 5)}k=",
    "azure iot": lambda m: f"{m.of(LETTERS, 33)}AIoT{m.of(LETTERS, 5)}k=",
    "azure registry": lambda m: f"{m.of(LETTERS, 33)}ACRA{m.of(LETTERS, 5)}k=",
    "entra client secret": lambda m: f"{m.of(LETTERS, 3)}8Q~{m.of(LETTERS + '-_.', 34)}",
    "azure devops": lambda m: f"{m.of(LETTERS, 76)}AZDO{m.of(LETTERS, 4)}",
    "aws access key": lambda m: f"AKIA{m.of(UPPER, 16)}",
    "aws session key": lambda m: f"ASIA{m.of(UPPER, 16)}",
    "aws bedrock": lambda m: f"ABSK{m.base64(80)}",
    "google api": lambda m: f"AIza{m.of(URL_SAFE, 35)}",
    "google oauth": lambda m: f"ya29.{m.of(URL_SAFE, 60)}",
    "google client secret": lambda m: f"GOCSPX-{m.of(URL_SAFE, 28)}",
    "hugging face": lambda m: f"hf_{m.of(LETTERS, 34)}",
    "groq": lambda m: f"gsk_{m.of(LETTERS, 52)}",
    "xai": lambda m: f"xai-{m.of(LETTERS, 80)}",
    "perplexity": lambda m: f"pplx-{m.of(LETTERS, 48)}",
    "replicate": lambda m: f"r8_{m.of(LETTERS, 37)}",
    "fireworks": lambda m: f"fw_{m.of(LETTERS, 24)}",
    "nvidia": lambda m: f"nvapi-{m.of(URL_SAFE, 64)}",
    "pinecone": lambda m: f"pcsk_{m.of(LETTERS, 60)}",
    "tavily": lambda m: f"tvly-{m.of(LETTERS, 32)}",
    "langsmith": lambda m: f"lsv2_pt_{m.of(HEX, 32)}_{m.of(HEX, 10)}",
    "databricks": lambda m: f"dapi{m.of(HEX, 32)}",
    "github": lambda m: f"ghp_{m.of(LETTERS, 36)}",
    "github oauth": lambda m: f"gho_{m.of(LETTERS, 36)}",
    "github fine-grained": lambda m: f"github_pat_{m.of(LETTERS, 22)}_{m.of(LETTERS, 59)}",
    "gitlab": lambda m: f"glpat-{m.of(URL_SAFE, 20)}",
    "atlassian": lambda m: f"ATATT3{m.of(URL_SAFE, 180)}",
    "slack bot": lambda m: f"xoxb-{m.of(string.digits, 12)}-{m.of(string.digits, 12)}-{m.of(LETTERS, 24)}",
    "slack app": lambda m: f"xapp-1-{m.of(LETTERS, 60)}",
    "slack webhook": lambda m: (
        f"https://hooks.slack.com/services/T{m.of(UPPER, 9)}/B{m.of(UPPER, 9)}/{m.of(LETTERS, 24)}"
    ),
    "teams webhook": lambda m: (
        f"https://contoso.webhook.office.com/webhookb2/{m.uuid()}@{m.uuid()}/IncomingWebhook/{m.of(HEX, 32)}"
    ),
    "discord webhook": lambda m: f"https://discord.com/api/webhooks/{m.of(string.digits, 18)}/{m.of(URL_SAFE, 68)}",
    "telegram": lambda m: f"{m.of('123456789', 10)}:AA{m.of(URL_SAFE, 33)}",
    "stripe live": lambda m: f"sk_live_{m.of(LETTERS, 24)}",
    "stripe restricted": lambda m: f"rk_live_{m.of(LETTERS, 24)}",
    "stripe webhook": lambda m: f"whsec_{m.of(LETTERS, 32)}",
    "sendgrid": lambda m: f"SG.{m.of(URL_SAFE, 22)}.{m.of(URL_SAFE, 43)}",
    "twilio": lambda m: f"SK{m.of(HEX, 32)}",
    "mailgun": lambda m: f"key-{m.of(HEX, 32)}",
    "mailchimp": lambda m: f"{m.of(HEX, 32)}-us12",
    "brevo": lambda m: f"xkeysib-{m.of(HEX, 64)}-{m.of(LETTERS, 16)}",
    "shopify": lambda m: f"shpat_{m.of(HEX, 32)}",
    "square": lambda m: f"sq0atp-{m.of(URL_SAFE, 22)}",
    "npm": lambda m: f"npm_{m.of(LETTERS, 36)}",
    "pypi": lambda m: f"pypi-AgEIcHlwaS5vcmc{m.of(URL_SAFE, 70)}",
    "docker": lambda m: f"dckr_pat_{m.of(URL_SAFE, 27)}",
    "linear": lambda m: f"lin_api_{m.of(LETTERS, 40)}",
    "notion": lambda m: f"ntn_{m.of(LETTERS, 46)}",
    "figma": lambda m: f"figd_{m.of(URL_SAFE, 40)}",
    "airtable": lambda m: f"pat{m.of(LETTERS, 14)}.{m.of(HEX, 64)}",
    "postman": lambda m: f"PMAK-{m.of(HEX, 24)}-{m.of(HEX, 34)}",
    "new relic": lambda m: f"NRAK-{m.of(UPPER, 27)}",
    "grafana": lambda m: f"glsa_{m.of(LETTERS, 32)}_{m.of(HEX, 8)}",
    "sentry": lambda m: f"sntryu_{m.of(HEX, 64)}",
    "vault": lambda m: f"hvs.{m.of(URL_SAFE, 90)}",
    "terraform": lambda m: f"{m.of(LETTERS, 14)}.atlasv1.{m.of(URL_SAFE, 60)}",
    "digitalocean": lambda m: f"dop_v1_{m.of(HEX, 64)}",
    "supabase": lambda m: f"sbp_{m.of(HEX, 40)}",
    "planetscale": lambda m: f"pscale_tkn_{m.of(URL_SAFE, 43)}",
    "doppler": lambda m: f"dp.pt.{m.of(LETTERS, 43)}",
    "pf-monitor": lambda m: f"pfm_{m.of(HEX, 32)}",
    "jwt": lambda m: m.jwt(),
    "age": lambda m: f"AGE-SECRET-KEY-1{m.of('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 58)}",
}
"""Those that can be told by themselves, wherever they stand."""

PLAIN: dict[str, Make] = {
    "hex": lambda m: m.of(HEX, 32),
    "uuid": lambda m: m.uuid(),
    "base64": lambda m: m.base64(32),
    "letters": lambda m: m.of(LETTERS, 40),
    "chosen": lambda m: f"Winter-{m.of(string.digits, 6)}!",
}
"""Those that nothing tells but what stands in front of them."""

WRITTEN: dict[str, str] = {
    "environment file": "AZURE_OPENAI_API_KEY={}",
    "shell": "export DD_API_KEY='{}'",
    "json": '{{"api_key": "{}", "top": 3}}',
    "json within json": '{{"arguments": "{{\\"client_secret\\": \\"{}\\"}}"}}',
    "python": "{{'password': '{}', 'user': 'sa'}}",
    "keyword": 'Client(endpoint="https://contoso.example", api_key="{}")',
    "header": "api-key: {}",
    "authorization": "Authorization: Bearer {}",
    "header pairs": "[('accept', '*/*'), ('authorization', 'Bearer {}')]",
    "subscription header": "Ocp-Apim-Subscription-Key: {}",
    "cookie": "Cookie: session={}; theme=dark",
    "xml": "<password>{}</password>",
    "named value": '{{"name": "SEARCH_API_KEY", "value": "{}"}}',
    "yaml": "password: {}",
    "camel case": '{{"accessToken": "{}"}}',
    "storage": "DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey={};EndpointSuffix=core.windows.net",
    "cosmos": "AccountEndpoint=https://contoso.documents.azure.com:443/;AccountKey={};",
    "service bus": "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey={}",
    "sql": "Server=tcp:contoso.database.windows.net,1433;Database=db;User ID=sa;Password={};Encrypt=True;",
    "odbc": "Driver={{ODBC Driver 18}};Server=contoso;UID=sa;PWD={{{}}};Encrypt=yes",
    "postgres": "postgresql://app:{}@db.contoso.example:5432/shop",
    "redis": "rediss://:{}@cache.contoso.example:6380/0",
    "mongo": "mongodb+srv://app:{}@cluster0.contoso.example/?retryWrites=true",
    "amqp": "amqps://app:{}@mq.contoso.example/vhost",
    "redis cache": "contoso.redis.cache.windows.net:6380,password={},ssl=True",
    "jdbc": "jdbc:sqlserver://contoso:1433;databaseName=db;user=sa;password={};",
    "shared access signature": "https://contoso.blob.core.windows.net/c/b?sv=2024-01-01&se=2030-01-01&sig={}",
    "function address": "https://contoso.azurewebsites.net/api/score?code={}",
    "basic address": "https://app:{}@contoso.example/api",
    "insights": "InstrumentationKey={};IngestionEndpoint=https://contoso.in.applicationinsights.azure.com/",
}


def all_planted() -> list[Planted]:
    """Return the two hundred."""
    return [*_planted()][:200]


def _planted() -> Iterator[Planted]:
    maker = Maker(20260101)
    for kind, make in SHAPED.items():
        secret = make(maker)
        core = secret.removeprefix("https://").partition("/")[2] if secret.startswith("https://") else secret
        yield Planted(kind, secret, core)
    for number in range(200):
        for kind, make in PLAIN.items():
            places = [*WRITTEN.items()]
            how, pattern = places[(number * len(PLAIN) + [*PLAIN].index(kind)) % len(places)]
            secret = make(maker)
            if "://" in pattern or "jdbc" in how:
                secret = secret.replace("/", "_").replace("+", "-")
            yield Planted(f"{kind}, {how}", pattern.format(secret), secret)
