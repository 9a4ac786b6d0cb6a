"""Settings: a frozen dataclass an algorithm, the paper's tasks, presets, `key=value` texts."""
