"""Other SDKs can send too: items as .NET, Java and Node write them, the way each puts them on the wire."""

from __future__ import annotations

import gzip
import json

import pytest
from talk import KEY, Server, filled

from pf_monitor.insights.envelope import EnvelopeError, to_row

DOTNET_DEPENDENCY = {
    "name": "AppDependencies",
    "time": "2024-05-01T12:00:00.1234567Z",
    "sampleRate": 25,
    "iKey": KEY,
    "tags": {
        "ai.application.ver": "3.0.1",
        "ai.cloud.roleInstance": "WEB-01",
        "ai.operation.id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "ai.operation.parentId": "00f067aa0ba902b7",
        "ai.operation.name": "GET Home/Index",
        "ai.location.ip": "203.0.113.7",
        "ai.internal.sdkVersion": "rdddsc:2.22.0-997",
        "ai.internal.nodeName": "WEB-01",
    },
    "data": {
        "baseType": "RemoteDependencyData",
        "baseData": {
            "ver": 2,
            "name": "POST /openai/deployments/gpt-4o/chat/completions",
            "id": "53995c3f42cd8ad8",
            "data": "https://contoso.openai.azure.com/openai/deployments/gpt-4o/chat/completions",
            "duration": "1.02:03:04.5670000",
            "resultCode": "429",
            "success": False,
            "type": "Http",
            "target": "contoso.openai.azure.com",
            "properties": {"AspNetCoreEnvironment": "Production"},
            "measurements": {"attempts": 3},
        },
    },
}

DOTNET_EXCEPTION = {
    "name": "AppExceptions",
    "time": "2024-05-01T12:00:01Z",
    "iKey": KEY,
    "data": {
        "baseType": "ExceptionData",
        "baseData": {
            "ver": 2,
            "severityLevel": "Critical",
            "exceptions": [
                {
                    "id": 1,
                    "outerId": 0,
                    "typeName": "System.AggregateException",
                    "message": "One or more errors occurred.",
                    "hasFullStack": True,
                    "parsedStack": [
                        {"level": 0, "method": "Shop.Chat.Ask", "assembly": "Shop, Version=1.0.0.0", "line": 42}
                    ],
                },
                {
                    "id": 2,
                    "outerId": 1,
                    "typeName": "System.TimeoutException",
                    "message": "The model did not answer.",
                    "hasFullStack": True,
                    "parsedStack": [{"level": 0, "method": "Shop.Model.Call", "assembly": "Model", "line": 7}],
                },
            ],
        },
    },
}

JAVA_TRACE = {
    "ver": 1,
    "name": "Message",
    "time": "2024-05-01T12:00:02.5Z",
    "iKey": KEY,
    "tags": {"ai.cloud.role": "orders", "ai.internal.sdkVersion": "java:3.5.1", "ai.user.id": "u1"},
    "data": {
        "baseType": "MessageData",
        "baseData": {
            "ver": 2,
            "message": "retrying",
            "severityLevel": "Warning",
            "properties": {"LoggerName": "com.contoso.Retry", "SourceType": "Logger", "ThreadName": "main"},
        },
    },
}

NODE_REQUEST = {
    "ver": 1,
    "name": f"Microsoft.ApplicationInsights.{KEY.replace('-', '')}.Request",
    "time": "2024-05-01T14:00:03.001+02:00",
    "iKey": KEY,
    "sampleRate": 100,
    "tags": {
        "ai.cloud.role": "web",
        "ai.session.id": "s1",
        "ai.user.authUserId": "anna",
        "ai.device.osVersion": "Linux",
    },
    "data": {
        "baseType": "RequestData",
        "baseData": {
            "ver": 2,
            "id": "|a.b.",
            "name": "GET /",
            "url": "http://shop.example/",
            "source": "",
            "duration": "00:00:00.012",
            "responseCode": 200,
            "success": "true",
            "properties": {},
            "measurements": {},
        },
    },
}


def test_dotnet_dependency(server: Server) -> None:
    body = gzip.compress("\n".join(map(json.dumps, [DOTNET_DEPENDENCY, DOTNET_EXCEPTION])).encode())

    answer = server.track(body, "/v2/track", content_encoding="gzip", content_type="application/x-json-stream")

    assert (answer.status_code, answer.json()) == (200, {"itemsReceived": 2, "itemsAccepted": 2, "errors": []})
    (row,) = server.rows("dependencies")
    assert filled(row) == {
        "timestamp": "2024-05-01T12:00:00.123456Z",
        "id": "53995c3f42cd8ad8",
        "target": "contoso.openai.azure.com",
        "type": "Http",
        "name": "POST /openai/deployments/gpt-4o/chat/completions",
        "data": "https://contoso.openai.azure.com/openai/deployments/gpt-4o/chat/completions",
        "success": "False",
        "resultCode": "429",
        "duration": ((26 * 60 + 3) * 60 + 4) * 1000 + 567,
        "performanceBucket": ">=5min",
        "itemType": "dependency",
        "customDimensions": '{"AspNetCoreEnvironment":"Production"}',
        "customMeasurements": '{"attempts":3.0}',
        "operation_Name": "GET Home/Index",
        "operation_Id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "operation_ParentId": "00f067aa0ba902b7",
        "application_Version": "3.0.1",
        "cloud_RoleInstance": "WEB-01",
        "iKey": KEY,
        "sdkVersion": "rdddsc:2.22.0-997",
        "itemCount": 4,
    }


def test_dotnet_exception_chain(server: Server) -> None:
    server.track(json.dumps(DOTNET_EXCEPTION))

    (row,) = server.rows("exceptions")
    details = json.loads(row["details"])
    assert [(one["id"], one["outerId"], one["type"]) for one in details] == [
        ("1", "0", "System.AggregateException"),
        ("2", "1", "System.TimeoutException"),
    ]
    assert details[1]["parsedStack"][0] | {"level": 0} == {
        "level": 0,
        "method": "Shop.Model.Call",
        "assembly": "Model",
        "fileName": "",
        "line": 7,
    }
    del row["details"]
    assert filled(row) == {
        "timestamp": "2024-05-01T12:00:01Z",
        "problemId": "System.AggregateException at Shop.Chat.Ask",
        "type": "System.AggregateException",
        "message": "One or more errors occurred.",
        "assembly": "Shop, Version=1.0.0.0",
        "method": "Shop.Chat.Ask",
        "outerType": "System.AggregateException",
        "outerMessage": "One or more errors occurred.",
        "outerAssembly": "Shop, Version=1.0.0.0",
        "outerMethod": "Shop.Chat.Ask",
        "innermostType": "System.TimeoutException",
        "innermostMessage": "The model did not answer.",
        "innermostAssembly": "Model",
        "innermostMethod": "Shop.Model.Call",
        "severityLevel": 4,
        "itemType": "exception",
        "customDimensions": "{}",
        "iKey": KEY,
        "itemCount": 1,
    }


def test_java_and_node(server: Server) -> None:
    server.track(json.dumps([JAVA_TRACE, NODE_REQUEST]))

    (trace,) = server.rows(
        "traces | project timestamp, message, severityLevel, cloud_RoleName, user_Id, customDimensions.LoggerName"
    )
    assert trace == {
        "timestamp": "2024-05-01T12:00:02.5Z",
        "message": "retrying",
        "severityLevel": 2,
        "cloud_RoleName": "orders",
        "user_Id": "u1",
        "customDimensions_LoggerName": '"com.contoso.Retry"',
    }
    (request,) = server.rows("requests")
    assert filled(request) == {
        "timestamp": "2024-05-01T12:00:03.001Z",
        "id": "|a.b.",
        "name": "GET /",
        "url": "http://shop.example/",
        "success": "True",
        "resultCode": "200",
        "duration": 12.0,
        "performanceBucket": "<250ms",
        "itemType": "request",
        "customDimensions": "{}",
        "session_Id": "s1",
        "user_AuthenticatedId": "anna",
        "client_OS": "Linux",
        "cloud_RoleName": "web",
        "iKey": KEY,
        "itemCount": 1,
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": 5}, "'time' must be an ISO-8601 time, not 5"),
        ({"time": None}, "'time' must be an ISO-8601 time, not None"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "'time' must be an ISO-8601 time"),
        ({"iKey": []}, "'Envelope.iKey' must be a string, not a JSON array"),
        ({"tags": "x"}, "'Envelope.tags' must be an object, not 'x'"),
        ({"tags": {"ai.operation.id": {}}}, "'ai.operation.id' must be a string"),
        ({"sampleRate": {}}, "'sampleRate' must be a number"),
        ({"sampleRate": 1e-300}, "'sampleRate' must be a 32-bit integer"),
        ({"data": None}, "'Envelope.data' must be an object, not None"),
        ({"data": {"baseType": "PizzaData", "baseData": {}}}, "Unknown baseType 'PizzaData'; known are RequestData"),
        ({"data": {"baseType": "RequestData", "baseData": []}}, "'RequestData' must be an object"),
        ({"data": {"baseType": "RequestData", "baseData": {"duration": "soon"}}}, "must look like 0.00:00:01.234"),
        (
            {"data": {"baseType": "RequestData", "baseData": {"duration": "00:00:01", "success": "maybe"}}},
            "'success' must be true or false",
        ),
        ({"data": {"baseType": "MetricData", "baseData": {"metrics": []}}}, "'metrics' of 'MetricData' must be"),
        ({"data": {"baseType": "MetricData", "baseData": {"metrics": [{"value": "x"}]}}}, "'value' must be a number"),
        (
            {"data": {"baseType": "MetricData", "baseData": {"metrics": [{"value": 1, "count": 2**40}]}}},
            "'count' must be a 32-bit integer",
        ),
        ({"data": {"baseType": "MessageData", "baseData": {"severityLevel": 9}}}, "'severityLevel' must be 0 to 4"),
        ({"data": {"baseType": "EventData", "baseData": {"properties": [1]}}}, "'properties' must be an object"),
        ({"data": {"baseType": "EventData", "baseData": {"measurements": {"a": "x"}}}}, "'a' must be a number"),
        ({"data": {"baseType": "ExceptionData", "baseData": {"exceptions": {}}}}, "an array with at least one"),
        ({"data": {"baseType": "ExceptionData", "baseData": {"exceptions": [7]}}}, "'ExceptionDetails' must be"),
    ],
)
def test_wrong_types_are_refused_with_the_field(change: dict[str, object], reason: str) -> None:
    with pytest.raises(EnvelopeError) as refused:
        to_row(JAVA_TRACE | change)

    assert reason in str(refused.value)
