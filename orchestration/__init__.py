import os

# Read by libgomp when LightGBM loads it: its threads spin shortly, then sleep, so that two runs on the same cores do not stand still.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
