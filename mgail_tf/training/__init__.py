"""One training run: the driver of every algorithm, the folder, and what a result depends on."""
