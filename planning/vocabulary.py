"""Every column nodewise speaks of, once: its kind, its unit, its allowed range and its meaning.

Belongs here: one line a column; the name means the same in every feed and table. Does not: which table has which
columns (`planning/frames.py`), nor where a value comes from (`dbt_project/`).
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "integer", "decimal", "float", "boolean", "date", "timestamp"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's contract.

    Parameters
    ----------
    name : str
        The column; its unit is the last word of the name.
    kind : Kind
        ``decimal`` is DECIMAL(18, 4) (money), ``timestamp`` a UTC moment, ``date`` a calendar day.
    minimum, maximum : float or None
        Closed range of a number; None is no limit.
    meaning : str
        One phrase a planner understands.
    """

    name: str
    kind: Kind
    minimum: float | None
    maximum: float | None
    meaning: str


_UNITS = 1e7  # more units than this on one line is a typing error, not a business
_MONEY = 1e9
_ANY = None

# fmt: off
_ROWS: tuple[tuple[str, Kind, float | None, float | None, str], ...] = (
    # identity
    ("sku_id", "string", _ANY, _ANY, "stock keeping unit, kept as text with its leading zeros"),
    ("node_id", "string", _ANY, _ANY, "place that holds stock"),
    ("region_id", "string", _ANY, _ANY, "area whose customers ask for units"),
    ("origin_node_id", "string", _ANY, _ANY, "node the units leave"),
    ("destination_node_id", "string", _ANY, _ANY, "node the units arrive at"),
    ("destination_region_id", "string", _ANY, _ANY, "region a customer shipment goes to"),
    ("ship_to_region_id", "string", _ANY, _ANY, "region an order is shipped to"),
    ("replenished_from_node_id", "string", _ANY, _ANY, "parent node; empty when the supplier delivers directly"),
    ("runner_up_origin_node_id", "string", _ANY, _ANY, "next best origin of the last unit of the line"),
    ("receipt_id", "string", _ANY, _ANY, "till receipt"),
    ("order_id", "string", _ANY, _ANY, "customer order"),
    ("return_id", "string", _ANY, _ANY, "return document"),
    ("shipment_id", "string", _ANY, _ANY, "shipment document"),
    ("transfer_id", "string", _ANY, _ANY, "transfer between two nodes"),
    ("supplier_order_id", "string", _ANY, _ANY, "purchase order"),
    ("promotion_id", "string", _ANY, _ANY, "promotion"),
    ("line_number", "integer", 0, 1e9, "line of a document"),
    ("foreign_sku_id", "string", _ANY, _ANY, "the SKU's name in another system"),
    ("system", "string", _ANY, _ANY, "system that uses a foreign name"),
    # moments
    ("as_of_date", "date", _ANY, _ANY, "day the plan is made for: the last complete business day"),
    ("sold_at", "timestamp", _ANY, _ANY, "moment of the sale"),
    ("ordered_at", "timestamp", _ANY, _ANY, "moment of the order"),
    ("returned_at", "timestamp", _ANY, _ANY, "moment the return reached the node"),
    ("snapshot_at", "timestamp", _ANY, _ANY, "moment the stock was counted"),
    ("shipped_at", "timestamp", _ANY, _ANY, "moment the units left the origin"),
    ("delivered_at", "timestamp", _ANY, _ANY, "moment the units arrived"),
    ("updated_at", "timestamp", _ANY, _ANY, "moment this version of the row was written by its system"),
    ("promised_date", "date", _ANY, _ANY, "day promised to the receiver"),
    ("expected_date", "date", _ANY, _ANY, "day the units are expected at the destination"),
    ("launched_date", "date", _ANY, _ANY, "first day of sale"),
    ("retired_date", "date", _ANY, _ANY, "last day of sale"),
    ("opened_date", "date", _ANY, _ANY, "first day of operation"),
    ("closed_date", "date", _ANY, _ANY, "last day of operation"),
    ("start_date", "date", _ANY, _ANY, "first day of the promotion"),
    ("end_date", "date", _ANY, _ANY, "last day of the promotion"),
    ("effective_date", "date", _ANY, _ANY, "first day of the price"),
    ("known_from_date", "date", _ANY, _ANY, "day the future value became known"),
    ("signal_date", "date", _ANY, _ANY, "day of the signal"),
    ("demand_date", "date", _ANY, _ANY, "business day of the demand"),
    ("stock_date", "date", _ANY, _ANY, "business day of the stock"),
    ("ship_date", "date", _ANY, _ANY, "day the units leave"),
    ("arrival_date", "date", _ANY, _ANY, "day the units can be sold at the destination"),
    ("trained_on_date", "date", _ANY, _ANY, "last day the model has seen"),
    ("previous_date", "date", _ANY, _ANY, "day of the forecast it is compared with"),
    ("origin_date", "date", _ANY, _ANY, "last day known to a backtest forecast"),
    # units
    ("sold_units", "integer", 0, _UNITS, "units sold"),
    ("ordered_units", "integer", 0, _UNITS, "units ordered"),
    ("returned_units", "integer", 0, _UNITS, "units returned"),
    ("shipped_units", "integer", 0, _UNITS, "units shipped"),
    ("received_units", "integer", 0, _UNITS, "units received"),
    ("on_hand_units", "integer", 0, _UNITS, "units standing at the node"),
    ("reserved_units", "integer", 0, _UNITS, "units on hand promised to somebody"),
    ("available_units", "integer", _ANY, _UNITS, "on hand minus reserved"),
    ("inbound_units", "integer", 0, _UNITS, "committed units on their way that land within the horizon"),
    ("transfer_units", "integer", 1, _UNITS, "units to move"),
    ("case_pack_units", "integer", 1, 1e5, "units in one case; moves are whole cases"),
    ("demand_units", "decimal", 0, _UNITS, "units asked for"),
    ("unconstrained_demand_units", "decimal", 0, _UNITS, "units that would have been asked for with stock on the shelf"),
    ("demand_mean_units", "float", 0, _UNITS, "expected units asked for"),
    ("safety_stock_units", "float", _ANY, _UNITS, "reorder point minus expected demand over the protection interval"),
    ("reorder_point_units", "integer", 0, _UNITS, "inventory position at or below which the node orders"),
    ("order_up_to_units", "integer", 0, _UNITS, "inventory position an order restores"),
    ("presentation_units", "integer", 0, _UNITS, "units that stay on the shelf whatever happens"),
    ("capacity_units_per_day", "integer", 0, _UNITS, "units a lane carries in a day; empty is no limit"),
    ("inbound_units_per_day", "integer", 0, _UNITS, "units a node receives in a day; empty is no limit"),
    ("outbound_units_per_day", "integer", 0, _UNITS, "units a node ships in a day; empty is no limit"),
    ("min_units", "integer", 0, _UNITS, "least units of a move or a target"),
    ("max_units", "integer", 0, _UNITS, "most units of a target"),
    # money
    ("unit_price", "decimal", 0, _MONEY, "selling price of a unit"),
    ("unit_cost", "decimal", 0, _MONEY, "what a unit costs us"),
    ("freight_cost", "decimal", 0, _MONEY, "freight of the shipment line"),
    ("cost_per_unit", "decimal", 0, _MONEY, "lane cost of a unit"),
    ("cost_per_kg", "decimal", 0, _MONEY, "lane cost of a kilogram"),
    ("fixed_cost_per_shipment", "decimal", 0, _MONEY, "lane cost of a departure, whatever it carries"),
    ("handling_cost_per_unit", "decimal", 0, _MONEY, "node cost of touching a unit"),
    ("fixed_cost_per_year", "decimal", 0, _MONEY, "node cost of being open for a year"),
    ("final_mile_cost_per_unit", "decimal", 0, _MONEY, "cost of bringing a unit from node to customer"),
    ("penalty_cost_per_unit", "decimal", 0, _MONEY, "cost of a unit asked for and not served, beyond the margin"),
    ("transfer_cost", "float", 0, _MONEY, "lane, freight, handling and in-transit carrying cost of the line"),
    ("expected_gain", "float", -_MONEY, _MONEY, "rise in expected value before the transfer cost"),
    ("net_gain", "float", -_MONEY, _MONEY, "expected gain minus transfer cost"),
    # rates and probabilities
    ("holding_cost_rate_per_year", "float", 0, 5, "carrying cost of a year as a fraction of unit cost"),
    ("discount_rate", "float", 0, 1, "price cut of the promotion"),
    ("cycle_service_level", "float", 0, 1, "probability of no stockout in a protection interval"),
    ("fill_rate_target", "float", 0, 1, "share of units to be served from stock"),
    ("dispersion", "float", 0, 1e4, "alpha of the negative binomial: variance = mean + alpha * mean^2"),
    ("quantile", "float", 0, 1, "probability that demand is not above the value"),
    ("level_correlation", "float", 0, 1, "rank correlation of a series' forecast errors between days"),
    ("region_correlation", "float", 0, 1, "rank correlation of a SKU's forecast errors between regions"),
    ("demand_share", "float", 0, 1, "share of the region's demand that the node serves"),
    ("origin_stockout_probability_before", "float", 0, 1, "chance that the origin runs out if nothing moves"),
    ("origin_stockout_probability_after", "float", 0, 1, "chance that the origin runs out after the plan"),
    ("destination_stockout_probability_before", "float", 0, 1, "chance that the destination runs out if nothing moves"),
    ("destination_stockout_probability_after", "float", 0, 1, "chance that the destination runs out after the plan"),
    # days and size
    ("lead_time_days", "float", 0, 365, "days from departure to saleable at the destination"),
    ("lead_time_std_days", "float", 0, 365, "standard deviation of the lead time"),
    ("supplier_lead_time_days", "float", 0, 730, "days from order to receipt at the node the supplier serves"),
    ("supplier_lead_time_std_days", "float", 0, 365, "standard deviation of the supplier's lead time"),
    ("review_period_days", "integer", 1, 365, "days between two looks at the stock"),
    ("protection_days", "float", 0, 1100, "lead time plus review period"),
    ("delivery_days", "integer", 0, 365, "days from node to customer"),
    ("min_days", "float", 0, 3650, "least days of cover of a target"),
    ("max_days", "float", 0, 3650, "most days of cover of a target"),
    ("volume_m3", "float", 0, 1e4, "volume of a unit"),
    ("capacity_m3", "float", 0, 1e9, "volume a node can hold; empty is no limit"),
    ("weight_kg", "float", 0, 1e5, "weight of a unit"),
    ("latitude", "float", -90, 90, "degrees north"),
    ("longitude", "float", -180, 180, "degrees east"),
    ("priority", "integer", 0, 1000, "1 is served first"),
    # words
    ("name", "string", _ANY, _ANY, "what people call it"),
    ("category", "string", _ANY, _ANY, "product group"),
    ("node_type", "string", _ANY, _ANY, "role of the node"),
    ("time_zone", "string", _ANY, _ANY, "IANA time zone"),
    ("kind", "string", _ANY, _ANY, "sort of document or event"),
    ("mode", "string", _ANY, _ANY, "means of transport"),
    ("status", "string", _ANY, _ANY, "state of the document"),
    ("condition", "string", _ANY, _ANY, "state of the returned unit"),
    ("country", "string", _ANY, _ANY, "ISO country of the customer"),
    ("postal_code", "string", _ANY, _ANY, "postal code of the customer"),
    ("postal_prefixes", "string", _ANY, _ANY, "postal code prefixes of the region, separated by |"),
    ("departs_on", "string", _ANY, _ANY, "weekdays of departure: daily or e.g. mon|thu"),
    ("closed_weekdays", "string", _ANY, _ANY, "weekdays the node is closed, e.g. sat|sun"),
    ("signal_name", "string", _ANY, _ANY, "what the signal measures"),
    ("signal_value", "float", -1e9, 1e9, "value of the signal"),
    ("demand_class", "string", _ANY, _ANY, "smooth, erratic, intermittent or lumpy (Syntetos & Boylan)"),
    ("abc_class", "string", _ANY, _ANY, "A, B or C by cumulative value"),
    ("xyz_class", "string", _ANY, _ANY, "X, Y or Z by the variation of demand"),
    ("method", "string", _ANY, _ANY, "how the number was made"),
    ("model_version", "string", _ANY, _ANY, "first characters of the SHA-256 of the model's facts, which hold its text's own; empty when no model was used"),
    ("reason", "string", _ANY, _ANY, "why somebody set it"),
    ("reason_code", "string", _ANY, _ANY, "why the units should move"),
    ("source", "string", _ANY, _ANY, "parent node, or supplier"),
    ("segment", "string", _ANY, _ANY, "slice of the catalogue a score is for"),
    ("forecaster", "string", _ANY, _ANY, "model or baseline that made the forecast"),
    ("measure", "string", _ANY, _ANY, "name of the score"),
    ("stockout_share", "float", 0, 1, "share of the day's usual demand that comes in the hours the node had none of the SKU; empty where nobody says"),
    ("open_share", "float", 0, 1, "share of the day's usual demand that comes in the hours the region could buy; empty where nobody says"),
    ("baseline_score", "float", _ANY, _ANY, "the same score of level x weekday, which stands in where a model does not beat it"),
    ("model_part", "string", _ANY, _ANY, "series: the model of SKU and region; totals: of category and region"),
    ("feature_name", "string", _ANY, _ANY, "what a model is told"),
    ("gain_share", "float", 0, 1, "share of the model's whole gain that splits on it brought"),
    ("main_driver", "string", _ANY, _ANY, "what moved the forecast most: price, promotion, level, totals, model or other"),
    ("level", "string", _ANY, _ANY, "which SKUs a total sums"),
    ("demand_low_units", "float", 0, _ANY, "demand that is not reached in one of forty cases"),
    ("demand_high_units", "float", 0, _ANY, "demand that is exceeded in one of forty cases"),
    ("service_days", "integer", 0, _ANY, "days within which a node promises to serve the nodes and customers it supplies"),
    ("inbound_service_days", "integer", 0, _ANY, "days within which it is served itself"),
    ("net_replenishment_days", "integer", 0, _ANY, "days that its stock has to cover: served within, plus lead time and review, less promised"),
    ("holding_cost_per_year", "float", 0, _ANY, "cost of holding the safety stock for a year"),
    ("previous_units", "float", 0, _ANY, "demand expected by the forecast before"),
    ("revised_units", "float", 0, _ANY, "demand expected now on the same days"),
    ("price_revision_units", "float", _ANY, _ANY, "part of the revision that comes of other prices for the same days"),
    ("promotion_revision_units", "float", _ANY, _ANY, "part that comes of promotions declared, changed or withdrawn"),
    ("level_revision_units", "float", _ANY, _ANY, "part that comes of the days since, and of a nearer horizon"),
    ("totals_revision_units", "float", _ANY, _ANY, "part that comes of another forecast of the category in the region, or of corrected history"),
    ("model_revision_units", "float", _ANY, _ANY, "part that comes of another model"),
    ("other_revision_units", "float", _ANY, _ANY, "launches, retirements and cold starts"),
    ("revision_value", "float", _ANY, _ANY, "the same at the selling price"),
    ("revision_units", "float", _ANY, _ANY, "units by which the forecast moved since the one before"),
    ("score", "float", _ANY, _ANY, "value of the score"),
    # facts and KPIs
    ("month", "date", _ANY, _ANY, "first day of the month"),
    ("returned_date", "date", _ANY, _ANY, "business day the return reached the node"),
    ("ordered_date", "date", _ANY, _ANY, "business day of the order it belongs to"),
    ("coverage_date", "date", _ANY, _ANY, "business day that was or was not delivered"),
    ("return_lag_days", "float", _ANY, _ANY, "days from order to return"),
    ("transit_days", "float", _ANY, _ANY, "days from departure to arrival, on average"),
    ("days_of_supply", "float", 0, _ANY, "what is available against what is asked for in a day; empty when nothing is"),
    ("observed_lead_time_days", "float", _ANY, _ANY, "days from departure to arrival of its shipments, on average"),
    ("observed_lead_time_std_days", "float", 0, _ANY, "standard deviation of those days"),
    ("pos_units", "integer", 0, _ANY, "units sold over the counter"),
    ("ecom_units", "integer", 0, _ANY, "units ordered online, cancelled ones among them"),
    ("cancelled_units", "integer", 0, _ANY, "units of orders that were cancelled"),
    ("transferred_in_units", "integer", 0, _ANY, "units that arrived from another node"),
    ("transferred_out_units", "integer", 0, _ANY, "units that left for another node"),
    ("adjustment_units", "integer", _ANY, _ANY, "what a count says beyond the movements: the part nobody can explain"),
    ("adjusted_units", "integer", 0, _ANY, "units that counts moved, up or down"),
    ("in_transit_units", "integer", 0, _ANY, "units under way to the node"),
    ("saleable_units", "integer", 0, _ANY, "returned units that can be sold again"),
    ("refurbish_units", "integer", 0, _ANY, "returned units that need work first"),
    ("scrap_units", "integer", 0, _ANY, "returned units that are lost"),
    ("expected_return_units", "float", 0, _ANY, "units sold lately that are expected back; they stand at no node"),
    ("at_stake_units", "integer", _ANY, _ANY, "units it is about"),
    ("is_complete", "boolean", _ANY, _ANY, "everybody who sells there delivered the day; otherwise demand is unknown, not zero"),
    ("is_stocked_out", "boolean", _ANY, _ANY, "nothing was available at the node, or at one that serves the region"),
    ("is_censored", "boolean", _ANY, _ANY, "the region could not buy, so demand is a lower bound"),
    ("is_promoted", "boolean", _ANY, _ANY, "a promotion was on"),
    ("is_holding_cost_assumed", "boolean", _ANY, _ANY, "nobody delivered it; 0.25 a year is assumed"),
    ("is_supplier_lead_time_assumed", "boolean", _ANY, _ANY, "nobody delivered it; 14 days are assumed"),
    ("on_time_rate", "float", 0, 1, "share delivered by the promised day"),
    ("return_rate", "float", 0, _ANY, "units returned for each unit sold, leaning on the category where few were sold"),
    ("unit_fill_rate", "float", 0, 1, "share of ordered units that were not cancelled"),
    ("own_node_share", "float", 0, 1, "share of shipped units that came from the region's first node"),
    ("stocked_out_share", "float", 0, 1, "share of SKUs, or of SKU days, with nothing available"),
    ("below_safety_stock_share", "float", 0, 1, "share of SKUs with less available than their safety stock"),
    ("turns_per_year", "float", 0, _ANY, "365 x cost of what left / (days x average stock at cost)"),
    ("at_stake_cost", "decimal", _ANY, _ANY, "money at stake; empty where nobody can price it"),
    ("sold_cost", "decimal", 0, _ANY, "units that left, at cost"),
    ("average_stock_cost", "float", 0, _ANY, "stock at cost, averaged over the days"),
    ("available_cost", "decimal", 0, _ANY, "available stock at cost"),
    ("carrying_cost", "float", 0, _ANY, "holding rate x stock at cost x days / 365"),
    ("final_mile_cost", "decimal", 0, _ANY, "freight of customer shipments"),
    ("total_landed_cost", "float", 0, _ANY, "carrying + transfer + final mile"),
    ("total_landed_cost_per_unit", "float", 0, _ANY, "total landed cost of a unit sold"),
    ("lost_margin", "decimal", _ANY, _ANY, "margin of cancelled units"),
    ("sku_count", "integer", 0, _ANY, "number of SKUs"),
    ("line_count", "integer", 0, _ANY, "number of lines"),
    ("delivered_count", "integer", 0, _ANY, "number of shipment lines delivered"),
    ("transfer_count", "integer", 0, _ANY, "number of shipments"),
    ("observed_shipment_count", "integer", 0, _ANY, "number of shipments seen in the last half year"),
    ("destination_id", "string", _ANY, _ANY, "region or node it went to"),
    ("feed", "string", _ANY, _ANY, "feed of the contract"),
    ("exception_rank", "integer", 1, _ANY, "1 costs most"),
    ("exception_code", "string", _ANY, _ANY, "sort of exception"),
    ("what", "string", _ANY, _ANY, "what is wrong, in words"),
    ("remedy", "string", _ANY, _ANY, "what to do about it"),
    # flags
    ("is_bulky", "boolean", _ANY, _ANY, "too large for the urban nodes"),
    ("is_pilot", "boolean", _ANY, _ANY, "part of the pilot cluster"),
    ("is_open", "boolean", _ANY, _ANY, "in use"),
    ("is_stocked", "boolean", _ANY, _ANY, "the node carries the SKU"),
    ("serves_bonded", "boolean", _ANY, _ANY, "goods under bond may travel on the lane"),
)
# fmt: on

COLUMNS: dict[str, Column] = {row[0]: Column(*row) for row in _ROWS}
