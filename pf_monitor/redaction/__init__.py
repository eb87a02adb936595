"""What must not leave the process, and how it is found in text: rules that people can read, and known values.

Nothing here knows of steps or spans; `pipeline.privacy` applies it to them.
"""


class RedactionError(ValueError):
    """What shall be redacted cannot be found; the message names the file or package, and what is allowed."""
