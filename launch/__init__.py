"""One absl script a job; `python launch/NAME.py --help` tells its flags."""
