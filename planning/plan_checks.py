"""The post-check of a transfer plan, independent of the solver that made it.

Belongs here: what must be true of any plan, whoever wrote it. Does not: whether the plan is a good one. It reads the
plan, the positions and the lanes only, and shares no code with `transfers.py`.
"""

import pandas as pd


def _keys(rows: pd.DataFrame, columns: list[str]) -> str:
    return "; ".join(", ".join(map(str, row)) for row in rows[columns].head(5).itertuples(index=False))


def infeasibilities(*, transfers: pd.DataFrame, positions: pd.DataFrame, lanes: pd.DataFrame) -> list[str]:
    """Every rule the plan breaks, as a sentence with counts and up to five keys; empty when it may be carried out.

    Parameters
    ----------
    transfers, positions, lanes : DataFrame
        Frames `plan.transfers`, `stock_positions`, `open_lanes`.

    Returns
    -------
    list of str
    """
    found: list[str] = []
    if transfers.empty:
        return found
    line = ["sku_id", "origin_node_id", "destination_node_id"]

    def refuse(rows: pd.DataFrame, what: str, columns: list[str] = line) -> None:
        if len(rows):
            found.append(f"{len(rows)} lines {what} ({_keys(rows, columns)})")

    at_origin = transfers.merge(
        positions, how="left", left_on=["sku_id", "origin_node_id"], right_on=["sku_id", "node_id"], indicator="_origin"
    )
    refuse(at_origin[at_origin["_origin"] != "both"], "leave a node that does not carry the SKU")
    refuse(transfers[transfers["origin_node_id"] == transfers["destination_node_id"]], "go nowhere")
    refuse(transfers[(transfers["transfer_units"] <= 0) | (transfers["transfer_units"] % 1 != 0)], "are not a positive whole number")
    refuse(at_origin[at_origin["transfer_units"] % at_origin["case_pack_units"].fillna(1) != 0], "are not whole cases")

    shipped = transfers.groupby(["sku_id", "origin_node_id"], as_index=False)["transfer_units"].sum()
    stock = shipped.merge(positions, how="left", left_on=["sku_id", "origin_node_id"], right_on=["sku_id", "node_id"])
    free = (stock["on_hand_units"] - stock["reserved_units"] - stock["presentation_units"]).fillna(0)
    refuse(stock[stock["transfer_units"] > free], "ship more than is available", ["sku_id", "origin_node_id"])

    lane_key = ["origin_node_id", "destination_node_id", "mode"]
    on_lane = transfers.merge(lanes[[*lane_key, "capacity_units_per_day", "ship_date"]], how="left", on=lane_key, indicator="_lane")
    refuse(on_lane[on_lane["_lane"] != "both"], "use a lane that is not open")
    off_day = (on_lane["_lane"] == "both") & (pd.to_datetime(on_lane["ship_date_x"]) != pd.to_datetime(on_lane["ship_date_y"]))
    refuse(on_lane[off_day], "leave on a day without a departure")
    load = on_lane.groupby(lane_key, as_index=False).agg(
        transfer_units=("transfer_units", "sum"), capacity_units_per_day=("capacity_units_per_day", "first")
    )
    refuse(load[load["transfer_units"] > load["capacity_units_per_day"].astype(float)], "overload a lane", lane_key)

    for column, limit, what in (
        ("origin_node_id", "outbound_units_per_day", "leave a node that sends less in a day"),
        ("destination_node_id", "inbound_units_per_day", "reach a node that takes in less in a day"),
    ):
        most = positions.dropna(subset=limit).drop_duplicates("node_id").set_index("node_id")[limit].astype(float)
        moved = transfers.groupby(column, as_index=False)["transfer_units"].sum()
        refuse(moved[moved["transfer_units"] > moved[column].map(most)], what, [column])

    back = transfers.merge(
        transfers,
        left_on=["sku_id", "origin_node_id", "destination_node_id"],
        right_on=["sku_id", "destination_node_id", "origin_node_id"],
        suffixes=("", "_back"),
    )
    refuse(back, "are matched by a line of the same SKU the other way")
    refuse(transfers[transfers.duplicated([*line, "mode"], keep=False)], "stand twice in the plan")
    refuse(transfers[transfers["arrival_date"] < transfers["ship_date"]], "arrive before they leave")
    return found
