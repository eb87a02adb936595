"""Watching the user's code: decorators, the driver of each kind of callable, hooks for model clients."""
