"""`make bench`: every benchmark, each figure beside a named peer measured in the same run.

Belongs here: the order. Does not: anything a test asserts.
"""

import argparse
import os
from pathlib import Path

from benchmarks import attained_service, forecast, forecast_growth, ingest, quantiles, service_times, targets, transfers, twin
from benchmarks.real import fresh

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="share of M5's 30,490 series in the ingest panel")
    arguments = parser.parse_args()
    transfers.main()
    targets.main()
    service_times.main()
    data = Path(os.environ.get("DATA", "../shared/data"))
    for bench in (forecast, quantiles, forecast_growth, fresh, attained_service, twin):
        bench.main(data)
    ingest.main(arguments.scale)
