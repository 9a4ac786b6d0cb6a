"""Settings: a frozen dataclass an algorithm, what differs by task, presets, `key=value` texts."""
