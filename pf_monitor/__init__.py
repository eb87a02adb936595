"""Tracing and monitoring for Microsoft prompt flow."""
