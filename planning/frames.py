"""The tables nodewise takes in and gives out, each written once: grain, key, columns, allowed words.

Belongs here: which table has which columns. Does not: what a column means (`planning/vocabulary.py`), what a contract checks (`planning/frame.py`), nor
how a file spells it (settings).
"""

from planning.frame import Frame
from planning.vocabulary import RUNNER_UP_REASONS

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NODE_TYPES = ("hub", "regional_dc", "urban_mfc", "bonded", "store")
TARGET_METHODS = ("cycle service level", "fill rate", "newsvendor", "textbook")
M5_QUANTILES = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)

# ---------------------------------------------------------------------------------------------------------- feeds in
POS_SALES = Frame(
    "pos_sales",
    "line of a till receipt",
    key="receipt_id line_number",
    columns="receipt_id line_number sold_at node_id sku_id sold_units",
    nullable="unit_price",
)
ECOM_ORDERS = Frame(
    "ecom_orders",
    "version of an order line",
    key="order_id line_number",
    columns="order_id line_number ordered_at sku_id ordered_units status",
    nullable="unit_price ship_to_region_id country postal_code promised_date updated_at",
    allowed={"status": ("placed", "cancelled")},
)
RETURNS = Frame(
    "returns",
    "line of a return",
    key="return_id line_number",
    columns="return_id line_number returned_at node_id sku_id returned_units condition",
    nullable="order_id",
    allowed={"condition": ("saleable", "refurbish", "scrap")},
)
INVENTORY_SNAPSHOTS = Frame(
    "inventory_snapshots",
    "SKU, node and moment of counting",
    key="snapshot_at node_id sku_id",
    columns="snapshot_at node_id sku_id on_hand_units",
    nullable="reserved_units stockout_share",
)
SHIPMENTS = Frame(
    "shipments",
    "version of a shipment line",
    key="shipment_id line_number",
    columns="shipment_id line_number kind sku_id shipped_units shipped_at",
    nullable="origin_node_id destination_node_id destination_region_id received_units promised_date delivered_at "
    "freight_cost transfer_id order_id mode updated_at",
    allowed={"kind": ("customer", "transfer", "supplier")},
)
SUPPLIER_ORDERS = Frame(
    "supplier_orders",
    "version of a supplier order line",
    key="supplier_order_id line_number",
    columns="supplier_order_id line_number sku_id destination_node_id ordered_units ordered_at",
    nullable="received_units expected_date updated_at",
)
SKUS = Frame(
    "skus",
    "SKU",
    key="sku_id",
    columns="sku_id unit_cost unit_price",
    nullable="name category volume_m3 weight_kg case_pack_units is_bulky is_pilot supplier_lead_time_days "
    "supplier_lead_time_std_days launched_date retired_date",
)
NODES = Frame(
    "nodes",
    "node",
    key="node_id",
    columns="node_id node_type",
    nullable="region_id name latitude longitude time_zone capacity_m3 inbound_units_per_day outbound_units_per_day "
    "handling_cost_per_unit holding_cost_rate_per_year fixed_cost_per_year is_pilot opened_date closed_date "
    "replenished_from_node_id closed_weekdays",
    allowed={"node_type": NODE_TYPES},
)
REGIONS = Frame(
    "regions", "demand region", key="region_id", columns="region_id", nullable="name latitude longitude time_zone postal_prefixes"
)
LANES = Frame(
    "lanes",
    "directed pair of nodes and mode",
    key="origin_node_id destination_node_id mode",
    columns="origin_node_id destination_node_id mode lead_time_days cost_per_unit",
    nullable="lead_time_std_days cost_per_kg fixed_cost_per_shipment capacity_units_per_day min_units departs_on is_open serves_bonded",
)
SERVICE_ZONES = Frame(
    "service_zones",
    "node and region it serves",
    key="node_id region_id",
    columns="node_id region_id priority",
    nullable="final_mile_cost_per_unit delivery_days",
)
MARKETING_CALENDAR = Frame(
    "marketing_calendar",
    "promotion, and SKU or category, and region",
    key="promotion_id sku_id category region_id",
    columns="promotion_id start_date end_date",
    nullable="sku_id category region_id kind discount_rate known_from_date",
)
PRICES = Frame(
    "prices",
    "SKU, node or region, and first day of the price",
    key="sku_id node_id region_id effective_date",
    columns="sku_id effective_date unit_price",
    nullable="node_id region_id known_from_date",
)
AGGREGATE_HISTORY = Frame(
    "aggregate_history",
    "region, category and day",
    key="region_id category demand_date",
    columns="region_id category demand_date demand_units",
)
EXTERNAL_SIGNALS = Frame(
    "external_signals",
    "region, day and signal",
    key="region_id signal_date signal_name",
    columns="region_id signal_date signal_name signal_value",
    nullable="known_from_date",
)
SKU_ALIASES = Frame("sku_aliases", "foreign name of a SKU", key="system foreign_sku_id", columns="system foreign_sku_id sku_id")
POLICIES = Frame(
    "policies",
    "planner's rule for a class, a SKU, a type of node or a node; the lowest priority wins, then the most specific rule",
    key="abc_class xyz_class demand_class node_type sku_id node_id",
    columns="reason",
    nullable="abc_class xyz_class demand_class node_type sku_id node_id target_method cycle_service_level fill_rate_target "
    "review_period_days min_units max_units min_days max_days presentation_units most_service_days penalty_cost_per_unit priority",
    allowed={
        "abc_class": ("A", "B", "C"),
        "xyz_class": ("X", "Y", "Z"),
        "demand_class": ("smooth", "erratic", "intermittent", "lumpy", "none"),
        "node_type": NODE_TYPES,
        "target_method": TARGET_METHODS,
    },
)

FEEDS: dict[str, Frame] = {
    frame.name: frame
    for frame in (
        POS_SALES,
        ECOM_ORDERS,
        RETURNS,
        INVENTORY_SNAPSHOTS,
        SHIPMENTS,
        SUPPLIER_ORDERS,
        SKUS,
        NODES,
        REGIONS,
        LANES,
        SERVICE_ZONES,
        MARKETING_CALENDAR,
        PRICES,
        AGGREGATE_HISTORY,
        EXTERNAL_SIGNALS,
        SKU_ALIASES,
        POLICIES,
    )
}

# ------------------------------------------------------------------------------------------- between facts and plans
STOCK_POSITIONS = Frame(
    "stock_positions",
    "SKU and node at the end of the day",
    key="sku_id node_id",
    columns="sku_id node_id on_hand_units reserved_units inbound_units unit_cost unit_price weight_kg case_pack_units "
    "holding_cost_rate_per_year handling_cost_per_unit presentation_units penalty_cost_per_unit cycle_service_level "
    "review_period_days lead_time_days lead_time_std_days is_bulky target_method",
    nullable="replenished_from_node_id abc_class node_type min_units max_units min_days max_days fill_rate_target reason volume_m3 capacity_m3 is_pilot "
    "most_service_days inbound_units_per_day outbound_units_per_day transferred_in_days transferred_out_days remaining_season_days",
    allowed={"target_method": TARGET_METHODS},
)
OPEN_LANES = Frame(
    "open_lanes",
    "directed pair of nodes and mode that can be used, by its next departure",
    key="origin_node_id destination_node_id mode",
    columns="origin_node_id destination_node_id mode lead_time_days cost_per_unit cost_per_kg fixed_cost_per_shipment min_units ship_date",
    nullable="capacity_units_per_day next_ship_date",
)
OPEN_TRANSFERS = Frame(
    "open_transfers",
    "transfer that is approved or issued and has not left",
    key="transfer_id",
    columns="transfer_id sku_id origin_node_id destination_node_id mode ship_date transfer_units",
)
SERVICE_SHARES = Frame(
    "service_shares",
    "region, and node that serves it",
    key="region_id node_id",
    columns="region_id node_id demand_share",
)

# --------------------------------------------------------------------------------------------------- forecast, plan
DEMAND_MEANS = Frame(
    "forecast.demand_means",
    "SKU, region and future day, as seen from the day of the plan",
    key="as_of_date sku_id region_id demand_date",
    columns="as_of_date sku_id region_id demand_date demand_mean_units dispersion method",
    nullable="model_version",
    allowed={"method": ("model", "fallback", "cold start")},
)
DEMAND_QUANTILES = Frame(
    "forecast.demand_quantiles",
    "SKU, region, future day and quantile",
    key="as_of_date sku_id region_id demand_date quantile",
    columns="as_of_date sku_id region_id demand_date quantile demand_units",
)
UNCONSTRAINED_DEMAND = Frame(
    "forecast.unconstrained_demand",
    "SKU, region and past day on which stock ran out",
    key="sku_id region_id demand_date",
    columns="sku_id region_id demand_date unconstrained_demand_units",
)
ACCURACY = Frame(
    "forecast.accuracy",
    "backtest score of one forecaster on one segment",
    key="as_of_date origin_date forecaster segment measure",
    columns="as_of_date origin_date forecaster segment measure score",
    nullable="model_version",
)
MODEL_VERSIONS = Frame(
    "forecast.model_versions",
    "day and the model that made its forecast",
    key="as_of_date",
    columns="as_of_date trained_on_date method forecaster level_correlation region_correlation",
    nullable="model_version reason",
)
DEMAND_TOTALS = Frame(
    "forecast.demand_totals",
    "total of SKUs (the whole, a region, a category, a category in a region) and future day",
    key="as_of_date level region_id category demand_date",
    columns="as_of_date level region_id category demand_date demand_mean_units demand_low_units demand_high_units",
    allowed={"level": ("total", "region", "category", "category-region")},
)
KNOWN_AHEAD = Frame(
    "forecast.known_ahead",
    "SKU, region and future day on which the price is not the last day's or a promotion runs",
    key="as_of_date sku_id region_id demand_date",
    columns="as_of_date sku_id region_id demand_date discount_rate",
    nullable="unit_price",
)
REVISIONS = Frame(
    "forecast.revisions",
    "SKU and region whose forecast moved most in value since the last plan, over the days both speak of",
    key="as_of_date sku_id region_id",
    columns="as_of_date sku_id region_id previous_date previous_units revised_units price_revision_units promotion_revision_units "
    "level_revision_units totals_revision_units model_revision_units other_revision_units main_driver",
)
FEATURE_IMPORTANCE = Frame(
    "forecast.feature_importance",
    "part of the model and feature it was given",
    key="as_of_date model_part feature_name",
    columns="as_of_date model_part feature_name gain_share",
)
STOCK_TARGETS = Frame(
    "plan.stock_targets",
    "SKU and node that carries it",
    key="as_of_date sku_id node_id",
    columns="as_of_date sku_id node_id is_stocked cycle_service_level protection_days demand_mean_units safety_stock_units "
    "reorder_point_units order_up_to_units method",
    nullable="fill_rate_target reorder_point_days order_up_to_days limited_by reason",
    allowed={"method": TARGET_METHODS, "limited_by": ("policy minimum", "policy maximum", "presentation", "capacity")},
)
ECHELON_TARGETS = Frame(
    "plan.echelon_targets",
    "SKU and node that carries it, as the guaranteed-service model would have it",
    key="as_of_date sku_id node_id",
    columns="as_of_date sku_id node_id service_days inbound_service_days net_replenishment_days safety_stock_units holding_cost_per_year",
)
TRANSFERS = Frame(
    "plan.transfers",
    "SKU, origin and destination to move units between",
    key="transfer_id",
    columns="transfer_id as_of_date sku_id origin_node_id destination_node_id mode transfer_units ship_date arrival_date "
    "transfer_cost expected_gain net_gain origin_stockout_probability_before origin_stockout_probability_after "
    "destination_stockout_probability_before destination_stockout_probability_after capacity_price_per_unit reason_code runner_up_reason "
    "explanation status",
    nullable="origin_days_of_supply_before origin_days_of_supply_after destination_days_of_supply_before destination_days_of_supply_after "
    "runner_up_origin_node_id runner_up_extra_cost_per_unit",
    allowed={
        "status": ("proposed", "shadow"),
        "reason_code": ("prevent_stockout", "raise_availability", "rebalance_surplus"),
        "runner_up_reason": tuple(RUNNER_UP_REASONS),
    },
)
TRANSFER_STEPS = Frame(
    "plan.transfer_steps",
    "transfer and number of units it could move instead, all other lines as planned",
    key="transfer_id step_units",
    columns="as_of_date transfer_id step_units expected_gain transfer_cost net_gain destination_stockout_probability_after "
    "origin_stockout_probability_after",
)
TRANSFER_CERTIFICATES = Frame(
    "plan.transfer_certificates",
    "day: what its transfer plan is worth, and the proof that none is worth much more",
    key="as_of_date",
    columns="as_of_date method plan_net_gain bound_net_gain gap_share skus_net_gain limits_cost solver_round_count",
    allowed={"method": ("apart", "exact", "prices")},
)
TRANSFER_LIMITS = Frame(
    "plan.transfer_limits",
    "departure, or node with a daily limit, that SKUs share: what is used of it and what one unit more would be worth",
    key="as_of_date limit_kind origin_node_id destination_node_id mode",
    columns="as_of_date limit_kind origin_node_id destination_node_id mode used_units committed_units fixed_cost price_per_unit bound_cost",
    nullable="limit_units most_units",
    allowed={"limit_kind": ("departure", "outbound", "inbound")},
)
REPLENISHMENTS = Frame(
    "plan.replenishments",
    "SKU, node and source it orders from",
    key="as_of_date sku_id node_id source",
    columns="as_of_date sku_id node_id source ordered_units expected_date reason_code status",
    allowed={"reason_code": ("below_reorder_point", "cannot_wait", "parent_short", "lane_closed"), "status": ("proposed", "shadow")},
)
DECISION_VALUES = Frame(
    "plan.decision_values",
    "draw of demand through which the twin lived with the transfer plan and without it",
    key="as_of_date draw_number",
    columns="as_of_date draw_number without_cost with_cost difference_gain without_fill_rate with_fill_rate moved_units",
)
ORDER_ROUTES = Frame(
    "plan.order_routes",
    "line of an open order and node that serves its region: what it ships, or what it would have cost and why it lost",
    key="as_of_date order_id line_number node_id",
    columns="as_of_date order_id line_number node_id sku_id region_id open_units routed_units unfilled_units route_cost_per_unit "
    "final_mile_cost_per_unit unit_value available_units delivery_date is_late",
    nullable="lost_reason promised_date",
    allowed={"lost_reason": ("no_stock", "too_late", "dearer", "promised_to_others", "full", "would_split")},
)
MARGINAL_VALUES = Frame(
    "plan.marginal_values",
    "SKU and node that carries it: what one unit less and one more would be worth there",
    key="as_of_date sku_id node_id",
    columns="as_of_date sku_id node_id available_units give_cost_per_unit receive_gain_per_unit shortage_cost_per_unit idle_cost_per_unit",
)
NETWORK_DESIGN = Frame(
    "plan.network_design",
    "scenario and node that may serve customers, from a year of demand",
    key="as_of_date scenario node_id",
    columns="as_of_date scenario node_id node_type is_open node_count assigned_demand_units fixed_cost_per_year freight_and_handling_cost "
    "final_mile_cost carrying_cost scenario_total_cost scenario_bound_cost",
)
PLACEMENTS = Frame(
    "plan.placements",
    "SKU and node that carries or could carry it: what standing there costs against the final mile and freight that it saves",
    key="as_of_date sku_id node_id",
    columns="as_of_date sku_id node_id is_stocked is_carried_now served_demand_units holding_cost_per_year line_cost_per_year "
    "final_mile_saving_per_year net_saving_per_year reason_code",
    nullable="spread_rank",
    allowed={"reason_code": ("first_node", "pays", "does_not_pay", "bulky", "spread_limit", "shelf")},
)
RETURN_DISPOSITIONS = Frame(
    "plan.return_dispositions",
    "SKU, node where returned units stand, and condition",
    key="as_of_date sku_id node_id condition",
    columns="as_of_date sku_id node_id condition returned_units disposition unit_value here_value",
    nullable="destination_node_id",
    allowed={"disposition": ("restock", "move", "refurbish", "liquidate", "scrap")},
)
SERVICE_ATTAINED = Frame(
    "plan.service_attained",
    "segment of SKU-nodes: what its targets promise and what the twin attains with them",
    key="as_of_date node_type abc_class method",
    columns="as_of_date node_type abc_class method sku_node_count promised_level attained_level attained_fill_rate",
    nullable="promised_fill_rate",
)

DECISIONS: dict[str, Frame] = {
    frame.name: frame
    for frame in (
        DEMAND_MEANS,
        DEMAND_QUANTILES,
        UNCONSTRAINED_DEMAND,
        ACCURACY,
        MODEL_VERSIONS,
        DEMAND_TOTALS,
        KNOWN_AHEAD,
        REVISIONS,
        FEATURE_IMPORTANCE,
        STOCK_TARGETS,
        ECHELON_TARGETS,
        TRANSFERS,
        TRANSFER_STEPS,
        TRANSFER_CERTIFICATES,
        TRANSFER_LIMITS,
        REPLENISHMENTS,
        DECISION_VALUES,
        MARGINAL_VALUES,
        ORDER_ROUTES,
        NETWORK_DESIGN,
        PLACEMENTS,
        RETURN_DISPOSITIONS,
        SERVICE_ATTAINED,
    )
}
