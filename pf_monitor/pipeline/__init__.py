"""From a finished step to the endpoint: named steps, a bounded queue, the Azure Monitor exporter, an orderly end."""
