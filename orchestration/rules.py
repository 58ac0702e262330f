"""From settings to the rules that planning takes.

Belongs here: the conversion. Does not: defaults (`settings.py`) or what a rule does (`planning/`).
"""

from orchestration.settings import PlanningSettings, RoutingSettings
from planning.routing import RoutingRules
from planning.shared_limits import Effort
from planning.transfers import TransferRules
from planning.twin_policies import MorningRules


def transfer_rules(planning: PlanningSettings) -> TransferRules:
    """What a deployment wants of its transfers."""
    return TransferRules(
        min_net_gain_per_line=planning.min_net_gain_per_line,
        min_net_gain_per_shipment=planning.min_net_gain_per_shipment,
        cool_down_days=planning.cool_down_days,
        pilot_only=planning.pilot_only,
        effort=Effort(planning.price_rounds, planning.lane_trials, planning.exact_moves, planning.exact_nodes),
    )


def routing_rules(routing: RoutingSettings) -> RoutingRules:
    """What a deployment wants of its order routing."""
    return RoutingRules(routing.split_cost, routing.late_cost_per_unit_day, routing.is_promise_hard, routing.node_limit)


def morning_rules(planning: PlanningSettings) -> MorningRules:
    """What a deployment wants of its mornings, for the twin."""
    return MorningRules(
        sample_paths=planning.sample_paths,
        fixed_cost_per_order=planning.fixed_cost_per_order,
        longest_lot_days=planning.longest_lot_days,
        liquidation_share=planning.liquidation_share,
        transfers=transfer_rules(planning),
    )
