"""What a monitored flow is made of: steps, their usage and the names under which they are told."""
