"""Published optimisation instances, to their published optima; skipped with a message where the data are absent (DATA names the folder)."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from planning.echelons import Network, optimize_service_times
from planning.facility_location import Sites, locate

INSTANCES = Path(os.environ.get("DATA", "../shared/data")) / "instances"
pytestmark = [pytest.mark.real, pytest.mark.skipif(not INSTANCES.exists(), reason=f"{INSTANCES} is absent; name the folder with DATA=")]

CAPACITATED = {
    "cap41": 1040444.375, "cap71": 932615.750, "cap72": 977799.400, "cap73": 1010641.450, "cap74": 1034976.975, "cap101": 796648.437,
    "cap102": 854704.200, "cap103": 893782.112, "cap104": 928941.750, "cap131": 793439.562, "cap132": 851495.325, "cap133": 893076.712,
    "cap134": 928941.750,
}  # fmt: skip


@pytest.mark.parametrize("name", CAPACITATED)
def test_or_library_capacitated_warehouse_location(name: str) -> None:
    words = (INSTANCES / "orlib" / f"{name}.txt").read_text().split()
    n, m = int(words[0]), int(words[1])
    rest = np.array(words[2 + 2 * n :], float).reshape(m, n + 1)
    capacity, fixed = np.array(words[2 : 2 + 2 * n : 2], float), np.array(words[3 : 3 + 2 * n : 2], float)
    found = locate(Sites(fixed, rest[:, 1:].T.copy(), rest[:, 0], capacity))
    assert found.cost == pytest.approx(CAPACITATED[name], rel=1e-8)
    assert found.bound == pytest.approx(CAPACITATED[name], rel=1e-6)


def _network(path: Path) -> tuple[list[str], Network]:
    """Stages of a guaranteed-service file: costs are added along the chain, deviations pooled up it."""
    with path.open() as lines:
        rows = list(csv.reader(lines))[1:]
    names = [row[0] for row in rows]
    place = {name: i for i, name in enumerate(names)}
    links = [(place[up], place[row[0]]) for row in rows for up in row[8::2] if up]
    suppliers = {i: [a for a, b in links if b == i] for i in range(len(names))}
    customers = {i: [b for a, b in links if a == i] for i in range(len(names))}

    def cost(i: int) -> float:
        return float(rows[i][3]) + sum(cost(s) for s in suppliers[i])

    def deviation(i: int) -> float:
        own = float(rows[i][6]) if rows[i][6] else 0.0
        return np.sqrt(own**2 + sum(deviation(c) ** 2 for c in customers[i]))

    factor = max(float(row[7]) for row in rows if row[7])
    return names, Network(
        np.array([int(row[1]) for row in rows]),
        np.array([[cost(i) * factor * deviation(i) for i in range(len(names))]]),
        links,
        np.array([int(row[2]) if row[2] else -1 for row in rows]),
    )


@pytest.mark.parametrize("name", ["battery_small_divergent", "bulldozer_small_convergent", "bulldozer_small_linear"])
def test_guaranteed_service_costs_what_brute_force_found(name: str) -> None:
    names, network = _network(INSTANCES / "gsm" / f"{name}.txt")
    truth = json.loads((INSTANCES / "gsm" / f"brute_force_{name}_sol_1.json").read_text())
    found = optimize_service_times(network)
    assert found.cost[0] == pytest.approx(truth["cost"], rel=1e-6)
    promises = [{name: solution[name]["s"] for name in names} for solution in truth["optimal_solutions"]]
    assert dict(zip(names, found.service_days[0].tolist(), strict=True)) in promises


def test_graves_and_willems_digital_camera_from_its_file() -> None:
    _, network = _network(INSTANCES / "gsm" / "digital_camera.txt")
    found = optimize_service_times(network)
    assert 0.24 * found.cost[0] == pytest.approx(71_475.76, rel=1e-4)
