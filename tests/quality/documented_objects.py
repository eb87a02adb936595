"""The same monitors as in `documented`, built with azure-ai-ml as Microsoft's page builds them."""

from __future__ import annotations

from azure.ai.ml.constants import MonitorTargetTasks
from azure.ai.ml.entities import (
    AlertNotification,
    BaselineDataRange,
    CronTrigger,
    GenerationSafetyQualityMonitoringMetricThreshold,
    GenerationSafetyQualitySignal,
    GenerationTokenStatisticsSignal,
    LlmData,
    MonitorDefinition,
    MonitoringTarget,
    MonitorSchedule,
    ServerlessSparkCompute,
)
from azure.ai.ml.entities._inputs_outputs import Input

ENDPOINT, DEPLOYMENT = "contoso-chat", "contoso-chat-1"
WORKSPACE = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/w"
METRICS = ("groundedness", "relevance", "coherence", "fluency")


def schedule(name, signals):
    return MonitorSchedule(
        name=name,
        trigger=CronTrigger(expression="15 10 * * *"),
        create_monitor=MonitorDefinition(
            compute=ServerlessSparkCompute(instance_type="standard_e4s_v3", runtime_version="3.3"),
            monitoring_target=MonitoringTarget(
                ml_task=MonitorTargetTasks.QUESTION_ANSWERING,
                endpoint_deployment_id=f"azureml:{ENDPOINT}:{DEPLOYMENT}",
            ),
            monitoring_signals=signals,
            alert_notification=AlertNotification(emails=["test@example.com", "def@example.com"]),
        ),
    )


def quality_signal():
    return GenerationSafetyQualitySignal(
        connection_id=f"{WORKSPACE}/connections/aoai",
        metric_thresholds=GenerationSafetyQualityMonitoringMetricThreshold(
            **{name: {f"aggregated_{name}_pass_rate": 0.7} for name in METRICS}
        ),
        production_data=[
            LlmData(
                data_column_names={
                    "prompt_column": "question",
                    "completion_column": "answer",
                    "context_column": "context",
                },
                input_data=Input(type="uri_folder", path=f"azureml:{ENDPOINT}-{DEPLOYMENT}-app_traces:1"),
                data_window=BaselineDataRange(lookback_window_size="P7D", lookback_window_offset="P0D"),
            )
        ],
        sampling_rate=1.0,
        properties={
            "aoai_deployment_name": "gpt-4o",
            "enable_action_analyzer": "false",
            "azureml.modelmonitor.gsq_thresholds": '[{"metricName":"average_fluency","threshold":{"value":4}},'
            '{"metricName":"average_coherence","threshold":{"value":4}}]',
        },
    )


def both_signals():
    signals = {"gsq-signal": quality_signal(), "token-usage-signal": GenerationTokenStatisticsSignal()}
    return schedule("gen_ai_monitor_both_signals", signals)


def tokens():
    return schedule("gen_ai_monitor_tokens", {"token-usage-signal": GenerationTokenStatisticsSignal()})


def quality():
    return schedule("gen_ai_monitor_generation_quality", {"gsq-signal": quality_signal()})
