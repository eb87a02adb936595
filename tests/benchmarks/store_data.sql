-- What `store_data.py` makes telemetry of. Each section is one statement, or a part of several.

-- name: sentences
SELECT number, upper(text[1]) || text[2:] || '.' AS text
FROM (
    SELECT number, string_agg(words[1 + (hash(number, place) % 48)::INT], ' ' ORDER BY place) AS text
    FROM range(8000) AS s(number), range(16) AS w(place), (
        SELECT string_split('the a tent pack stove weighs holds costs packs stands kilograms litres euros days warranty'
            || ' covers seams poles zips floor cabin flysheet water column millimetres returned unused within for with'
            || ' and of two three four people season family trekking light waterproof opening porch bicycle table nylon'
            || ' belt lid', ' ') AS words
    )
    WHERE place < 8 + number % 9
    GROUP BY number
)

-- name: passages
SELECT p.number, 'Product ' || p.number || ': ' || string_agg(s.text, ' ' ORDER BY place) AS text
FROM range(5000) AS p(number), range(5) AS w(place), sentences AS s
WHERE s.number = hash(p.number, place, 'passage') % 8000
GROUP BY p.number

-- name: operations
SELECT d.*,
    TIMESTAMP '$start' + to_microseconds((i * $step)::BIGINT) AS began,
    CASE WHEN h1 % 10 < 7 THEN 'rag-chat' ELSE 'triage' END AS flow,
    CASE WHEN h1 % 10 < 7 THEN 'blue' ELSE 'green' END AS deployment,
    ['gpt-4o', 'gpt-4o-mini', 'gpt-4.1-nano'][1 + (h2 % 3)::INT] AS model,
    [2.5, 0.15, 0.1][1 + (h2 % 3)::INT] AS price,
    h3 % 50 = 0 AS failed,
    CASE WHEN h3 % 50 = 0 THEN 'False' ELSE 'True' END AS ok,
    'user-' || (h4 % 5000) AS user_name,
    'session-' || (h4 % 5000) || '-' || (h5 % 20) AS session,
    (250 + 40000 // (10 + h6 % 190))::INT AS call_ms,
    (250 + h1 % 300)::INT AS prompt,
    (20 + h2 % 200)::INT AS completion,
    'What about product ' || p1.number || ': ' || lower(s1.text) AS question,
    s1.text || ' ' || s2.text || ' ' || s3.text AS answer,
    p1.text || ' ' || p2.text || ' ' || p3.text AS reading,
    json_array(p1.text, p2.text, p3.text)::VARCHAR AS context
FROM (
    SELECT i, md5('trace' || i) AS trace, md5('spans' || i) AS spans, hash(i, 1) AS h1, hash(i, 2) AS h2,
        hash(i, 3) AS h3, hash(i, 4) AS h4, hash(i, 5) AS h5, hash(i, 6) AS h6
    FROM range($first, $last) AS r(i)
) AS d
JOIN passages AS p1 ON p1.number = h1 % 5000
JOIN passages AS p2 ON p2.number = h2 % 5000
JOIN passages AS p3 ON p3.number = h3 % 5000
JOIN sentences AS s1 ON s1.number = h4 % 8000
JOIN sentences AS s2 ON s2.number = h5 % 8000
JOIN sentences AS s3 ON s3.number = h6 % 8000

-- name: origin
trace AS operation_Id, 'Other' AS client_Type, flow AS cloud_RoleName, 'laptop' AS cloud_RoleInstance,
'00000000-0000-4000-8000-706600004319' AS iKey, 'ulm_py3.11.7:otel1.38.0:ext1.0.0b45' AS sdkVersion, 1 AS itemCount

-- name: correlation
'pf_monitor.flow', flow, 'pf_monitor.deployment', deployment, 'pf_monitor.request_id', md5('request' || i),
'session.id', session, 'pf_monitor.outcome', CASE WHEN failed THEN 'error' ELSE 'ok' END

-- name: cost
printf('%.9f', (prompt * price + completion * price * 4) / 1000000)

-- name: sums
'pf_monitor.usage.input_tokens', prompt::VARCHAR, 'pf_monitor.usage.output_tokens', completion::VARCHAR,
'pf_monitor.usage.total_tokens', (prompt + completion)::VARCHAR, 'pf_monitor.usage.llm_calls', '1',
'pf_monitor.usage.cost_usd', $cost

-- name: requests
SELECT began AS timestamp, spans[1:16] AS id, flow AS name, flow AS operation_Name, ok AS success, '0' AS resultCode,
    (call_ms + 14)::DOUBLE AS duration, 'request' AS itemType, user_name AS user_Id,
    CASE WHEN call_ms < 486 THEN '250ms-500ms' WHEN call_ms < 986 THEN '500ms-1sec' WHEN call_ms < 2986 THEN '1sec-3sec'
        ELSE '3sec-7sec' END AS performanceBucket,
    json_object('pf_monitor.kind', 'flow', 'gen_ai.operation.name', 'invoke_workflow', $correlation, $sums,
        'question', question, 'answer', CASE WHEN failed THEN '' ELSE answer END, 'context', context,
        'inputs', '{"chat_history":null}') AS customDimensions, $origin
FROM operations

-- name: dependencies
SELECT began + to_milliseconds(1) AS timestamp, spans[17:32] AS id, spans[1:16] AS operation_ParentId, 'InProc' AS type,
    '' AS target, 'retrieve' AS name, 'retrieve' AS operation_Name, 'True' AS success, '0' AS resultCode,
    (8 + h5 % 40)::DOUBLE AS duration, 'dependency' AS itemType, user_name AS user_Id, '<250ms' AS performanceBucket,
    json_object('pf_monitor.kind', 'retrieval', 'pf_monitor.node', 'retrieve', 'gen_ai.operation.name', 'retrieval',
        $correlation, 'gen_ai.retrieval.query.text', question, 'inputs', json_object('question', question)::VARCHAR,
        'output', context) AS customDimensions, $origin
FROM operations
UNION ALL
SELECT began + to_milliseconds(10), trace[1:16], spans[1:16], 'InProc', '', 'ask_model', 'ask_model', ok, '0',
    (call_ms + 3)::DOUBLE, 'dependency', user_name,
    CASE WHEN call_ms < 497 THEN '250ms-500ms' WHEN call_ms < 997 THEN '500ms-1sec' WHEN call_ms < 2997 THEN '1sec-3sec'
        ELSE '3sec-7sec' END,
    json_object('pf_monitor.kind', 'node', 'pf_monitor.node', 'ask_model', $correlation, $sums,
        'inputs', json_object('question', question, 'context', context::JSON)::VARCHAR,
        'output', to_json(answer)::VARCHAR), $origin
FROM operations
UNION ALL
SELECT began + to_milliseconds(11), trace[17:32], trace[1:16], 'GenAI | openai', 'api.openai.com', 'chat ' || model,
    'chat ' || model, ok, '0', call_ms::DOUBLE, 'dependency', user_name,
    CASE WHEN call_ms < 500 THEN '250ms-500ms' WHEN call_ms < 1000 THEN '500ms-1sec' WHEN call_ms < 3000
        THEN '1sec-3sec' ELSE '3sec-7sec' END,
    json_object('pf_monitor.kind', 'llm', 'pf_monitor.node', 'ask_model', 'gen_ai.operation.name', 'chat',
        'gen_ai.provider.name', 'openai', 'gen_ai.system', 'openai', $correlation,
        'gen_ai.request.model', model, 'gen_ai.response.model', model, 'gen_ai.request.temperature', '0',
        'gen_ai.response.id', 'chatcmpl-' || md5('answer' || i), 'gen_ai.response.finish_reasons', '["stop"]',
        'gen_ai.usage.input_tokens', prompt::VARCHAR, 'gen_ai.usage.output_tokens', completion::VARCHAR,
        'gen_ai.response.time_to_first_chunk', printf('%.3f', call_ms / 4000.0), 'pf_monitor.usage.cost_usd', $cost,
        'pf_monitor.usage.source', CASE WHEN h4 % 20 = 0 THEN 'estimated' ELSE 'provider' END,
        'gen_ai.input.messages', json_array(
            json_object('role', 'system', 'parts', json_array(json_object('type', 'text', 'content',
                'You are the assistant of an outdoor shop. Answer only from this context: ' || reading))),
            json_object('role', 'user', 'parts', json_array(json_object('type', 'text', 'content', question)))
        )::VARCHAR,
        'gen_ai.output.messages', json_array(json_object('role', 'assistant', 'parts', json_array(json_object(
            'type', 'text', 'content', answer)), 'finish_reason', 'stop'))::VARCHAR), $origin
FROM operations

-- name: exceptions
SELECT began + to_milliseconds(12) AS timestamp, trace[17:32] AS operation_ParentId, 'exception' AS itemType,
    kind AS problemId, kind AS type, kind AS outerType, kind AS innermostType, said AS message, said AS outerMessage,
    said AS innermostMessage, json_array(json_object('id', '', 'outerId', '', 'type', kind, 'message', said,
        'parsedStack', json_array(), 'rawStack', 'Traceback (most recent call last):' || chr(10) || '  File "flow.py"'
        || chr(10) || kind || ': ' || said)) AS details,
    json_object($correlation, 'pf_monitor.node', 'ask_model') AS customDimensions, $origin
FROM (
    SELECT *, ['openai.RateLimitError', 'openai.APITimeoutError'][1 + (h6 % 2)::INT] AS kind,
        ['Too many requests', 'The request timed out'][1 + (h6 % 2)::INT] AS said
    FROM operations WHERE failed
)

-- name: customEvents
SELECT began + to_seconds(30) AS timestamp, spans[1:16] AS operation_ParentId, 'customEvent' AS itemType,
    'gen_ai.evaluation.result' AS name, json_object($correlation, 'gen_ai.evaluation.name', metric,
        'gen_ai.evaluation.score.value', score::VARCHAR, 'gen_ai.evaluation.score.label',
        CASE WHEN score >= 4 THEN 'pass' ELSE 'fail' END, 'gen_ai.evaluation.explanation', 'It says: ' || answer,
        'pf_monitor.evaluator', 'judge/1') AS customDimensions, $origin
FROM (
    SELECT *, 1 + (hash(i, metric) % 5)::INT AS score
    FROM operations, (VALUES ('groundedness'), ('relevance')) AS m(metric) WHERE h4 % 10 = 0
)

-- name: performanceCounters
SELECT time AS timestamp, 'performanceCounter' AS itemType, counter AS name, 'Process' AS category, counter,
    '??APP_WIN32_PROC??' AS instance, worth AS value, json_object() AS customDimensions, $origin
FROM (
    SELECT TIMESTAMP '$start' + to_minutes(minute) AS time, 'rag-chat' AS flow, '' AS trace,
        unnest(['% Processor Time', 'Private Bytes']) AS counter,
        unnest([(hash(minute, 1) % 900)::DOUBLE / 10, 2e8 + hash(minute, 2) % 100000000]) AS worth
    FROM range($minutes) AS r(minute)
)
