"""The demo company's regions, nodes, lanes and service zones.

Belongs here: what stands where and what a move costs. Does not: what is sold (`catalogue.py`).
"""

import numpy as np
import pandas as pd

TIME_ZONE = "Europe/Berlin"
COUNTRY = "DE"

REGIONS = pd.DataFrame(
    [
        ("berlin", "Berlin", 52.52, 13.40, 1.3, "10|12|13|14"),
        ("hamburg", "Hamburg", 53.55, 9.99, 1.1, "20|21|22"),
        ("cologne", "Cologne", 50.94, 6.96, 1.2, "50|51|53"),
        ("frankfurt", "Frankfurt", 50.11, 8.68, 0.9, "60|61|63|65"),
        ("stuttgart", "Stuttgart", 48.78, 9.18, 0.8, "70|71|73"),
        ("munich", "Munich", 48.14, 11.58, 1.2, "80|81|82|85"),
        ("leipzig", "Leipzig", 51.34, 12.37, 0.5, "04|06"),
    ],
    columns=["region_id", "name", "latitude", "longitude", "weight", "postal_prefixes"],
)

# node, type, region, latitude, longitude, parent, holding rate, handling cost, fixed cost a year, pilot
NODES = pd.DataFrame(
    [
        ("HUB-KASSEL", "hub", "frankfurt", 51.31, 9.48, None, 0.18, 0.15, 22_000.0, False),
        ("DC-NORTH", "regional_dc", "hamburg", 53.47, 10.05, "HUB-KASSEL", 0.20, 0.20, 10_500.0, False),
        ("DC-WEST", "regional_dc", "cologne", 50.99, 7.05, "HUB-KASSEL", 0.20, 0.20, 10_800.0, False),
        ("DC-SOUTH", "regional_dc", "munich", 48.25, 11.65, "HUB-KASSEL", 0.20, 0.20, 11_200.0, False),
        ("MFC-BERLIN", "urban_mfc", "berlin", 52.51, 13.45, "DC-NORTH", 0.30, 0.35, 4_000.0, True),
        ("MFC-HAMBURG", "urban_mfc", "hamburg", 53.56, 9.97, "DC-NORTH", 0.30, 0.35, 3_800.0, True),
        ("MFC-COLOGNE", "urban_mfc", "cologne", 50.93, 6.94, "DC-WEST", 0.30, 0.35, 3_800.0, True),
        ("MFC-FRANKFURT", "urban_mfc", "frankfurt", 50.12, 8.70, "DC-WEST", 0.30, 0.35, 3_500.0, False),
        ("MFC-STUTTGART", "urban_mfc", "stuttgart", 48.79, 9.19, "DC-SOUTH", 0.30, 0.35, 3_200.0, False),
        ("MFC-MUNICH", "urban_mfc", "munich", 48.13, 11.57, "DC-SOUTH", 0.30, 0.35, 4_000.0, False),
        ("BONDED-BREMERHAVEN", "bonded", "hamburg", 53.54, 8.58, None, 0.15, 0.15, 2_200.0, False),
        ("STORE-BERLIN", "store", "berlin", 52.50, 13.33, "DC-NORTH", 0.35, 0.40, 5_500.0, False),
        ("STORE-MUNICH", "store", "munich", 48.14, 11.58, "DC-SOUTH", 0.35, 0.40, 6_000.0, False),
    ],
    columns=[
        "node_id",
        "node_type",
        "region_id",
        "latitude",
        "longitude",
        "replenished_from_node_id",
        "holding_cost_rate_per_year",
        "handling_cost_per_unit",
        "fixed_cost_per_year",
        "is_pilot",
    ],
)


def distance_km(latitude_a: np.ndarray, longitude_a: np.ndarray, latitude_b: np.ndarray, longitude_b: np.ndarray) -> np.ndarray:
    """Great-circle distance (haversine)."""
    a, b, c, d = map(np.radians, (latitude_a, longitude_a, latitude_b, longitude_b))
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * 6371.0 * np.arcsin(np.sqrt(half))


def nodes() -> pd.DataFrame:
    """Rows of the `nodes` feed."""
    size = {"hub": (60_000.0, 60_000, 60_000), "regional_dc": (15_000.0, 20_000, 20_000), "bonded": (9_000.0, 8_000, 8_000)}
    capacity = NODES["node_type"].map(lambda kind: size.get(kind, (900.0, 3_000, 3_000)))
    return NODES.assign(
        time_zone=TIME_ZONE,
        capacity_m3=capacity.str[0],
        inbound_units_per_day=capacity.str[1],
        outbound_units_per_day=capacity.str[2],
        opened_date="2020-01-01",
        closed_date=None,
        closed_weekdays=np.where(NODES["node_type"] == "store", "sun", None),
    )


def regions() -> pd.DataFrame:
    """Rows of the `regions` feed."""
    return REGIONS.drop(columns="weight").assign(time_zone=TIME_ZONE)


def lanes() -> pd.DataFrame:
    """Rows of the `lanes` feed: parent to child both ways, peers of one parent, bonded goods to the hub."""
    pairs = NODES.merge(NODES, how="cross", suffixes=("_o", "_d"))
    pairs = pairs[pairs["node_id_o"] != pairs["node_id_d"]]
    down = pairs["node_id_o"] == pairs["replenished_from_node_id_d"]
    up = pairs["replenished_from_node_id_o"] == pairs["node_id_d"]
    peers = (pairs["replenished_from_node_id_o"] == pairs["replenished_from_node_id_d"]) & pairs["replenished_from_node_id_o"].notna()
    bond = (pairs["node_type_o"] == "bonded") & (pairs["node_type_d"] == "hub")
    used = pairs[down | up | peers | bond]
    km = distance_km(used["latitude_o"], used["longitude_o"], used["latitude_d"], used["longitude_d"])
    trunk = used["node_type_o"].isin(["hub", "bonded"]) | used["node_type_d"].eq("hub")
    days = np.where(trunk, 2.0, 1.0) + np.round(km / 400.0)
    return pd.DataFrame(
        {
            "origin_node_id": used["node_id_o"],
            "destination_node_id": used["node_id_d"],
            "mode": np.where(trunk, "truck", "van"),
            "lead_time_days": days,
            "lead_time_std_days": np.round(0.25 * days, 2),
            "cost_per_unit": np.round(0.05 + km * np.where(trunk, 0.0006, 0.0014), 4),
            "cost_per_kg": np.round(km * 0.0002, 4),
            "fixed_cost_per_shipment": np.where(trunk, 40.0, np.round(4.0 + km * 0.05)),  # a van across town, or across the country
            "capacity_units_per_day": np.where(trunk, 6_000, 900),
            "min_units": 1,
            "departs_on": np.where(trunk, "mon|tue|wed|thu|fri", "mon|tue|wed|thu|fri|sat"),
            "is_open": True,
            "serves_bonded": (used["node_type_o"] == "bonded"),
        }
    ).sort_values(["origin_node_id", "destination_node_id"], ignore_index=True)


def service_zones() -> pd.DataFrame:
    """Rows of the `service_zones` feed: the urban node of a region first, its DC next, then the hub."""
    shipping = NODES[NODES["node_type"].isin(["hub", "regional_dc", "urban_mfc"])]
    pairs = shipping.merge(REGIONS, how="cross", suffixes=("", "_r"))
    km = distance_km(pairs["latitude"], pairs["longitude"], pairs["latitude_r"], pairs["longitude_r"])
    home = (pairs["node_type"] == "urban_mfc") & (pairs["region_id"] == pairs["region_id_r"])
    serves = home | (pairs["node_type"] != "urban_mfc")
    zones = pairs.assign(km=km, order=np.where(home, 0.0, np.where(pairs["node_type"] == "hub", 1e6, 0.0) + km))[serves]
    return pd.DataFrame(
        {
            "node_id": zones["node_id"],
            "region_id": zones["region_id_r"],
            "priority": zones.groupby("region_id_r")["order"].rank(method="first").astype(int),
            "final_mile_cost_per_unit": np.round(2.2 + 0.006 * zones["km"] + np.where(zones["node_type"] == "urban_mfc", -0.6, 0), 2),
            "delivery_days": np.where(zones["node_type"] == "urban_mfc", 1, np.where(zones["km"] < 250, 2, 3)),
        }
    ).sort_values(["region_id", "priority"], ignore_index=True)
