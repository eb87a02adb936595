"""The fixtures of `alerting`."""

from alerting import add, receiver, store, watch

__all__ = ["add", "receiver", "store", "watch"]
