"""The settings of one deployment: `settings.yaml`, typed, frozen and read once.

Belongs here: what a deployment may choose. Does not: what varies by SKU, node, lane or segment (that is data), nor secrets.
"""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestration import presets
from orchestration.mapping import Source
from planning.frames import FEEDS


class SettingsError(ValueError):
    """`settings.yaml` cannot be used; the message says which line to change."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except Exception as error:
        raise ValueError(f"{name!r} is not an IANA time zone, e.g. Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Exclusion(_Frozen):
    """Lines a deployment declares not to be business of this feed, quarantined under its own reason."""

    column: str
    matches: str | None = Field(None, description="regular expression the whole value matches")
    at_most: float | None = Field(None, description="numbers not above this")
    reason: str = Field(pattern="^[a-z][a-z0-9_]*$")


class Unpivot(_Frozen):
    """A file with a column for each node: its cells become lines."""

    after: str = Field(description="every column after this one is a node")
    name: str = Field(description="column that takes the names of those columns")
    value: str = Field(description="column that takes their cells")


class Units(_Frozen):
    """A column that says in what a quantity is counted."""

    column: str = Field(description="column in the file")
    base_units: dict[str, int] = Field(description="word in the file: base units in one, e.g. {EA: 1, CS: 12}")


class FeedSettings(_Frozen):
    """How one feed is spelt and when it is due."""

    preset: str | None = Field(None, description="mapping of a common export to start from, e.g. shopify_orders")
    required: bool = Field(False, description="the day is not planned without it")
    max_age_days: int | None = Field(None, ge=0, description="older data than this is stale; empty: never")
    columns: dict[str, Source] = Field(default_factory=dict, description="contract column: column in the file, or how it is spelt there")
    constants: dict[str, str] = Field(default_factory=dict, description="contract column: the same value on every line")
    delimiter: str | None = Field(None, description="one character; by default the file's suffix decides")
    encoding: Literal["utf-8", "utf-16", "latin-1"] = "utf-8"
    decimal_mark: Literal[".", ","] = "."
    time_zone: TimeZone | None = Field(None, description="of moments without an offset; without it they are quarantined")
    exclude: tuple[Exclusion, ...] = ()
    fields_set_aside: tuple[str, ...] = Field(
        (),
        description="columns that may be empty: what cannot be read in them is set aside with its reason, and the line counts without it",
    )
    limits: dict[str, float] = Field(
        default_factory=dict, description="contract column: a larger number is a typing error, quarantined (e.g. {sold_units: 500})"
    )
    only: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="column in the file: words of lines that belong to this feed"
    )
    skip: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="column in the file: words of lines that do not")
    unpivot: Unpivot | None = None
    units: Units | None = None
    check_digits: tuple[str, ...] = Field((), description="contract columns that hold a GTIN, whose last digit must be right")
    replaces: Literal["row", "day"] = Field(
        "row", description="what a newer delivery takes the place of: the row with its key, or all rows of its nodes and days"
    )
    manifest: Literal["optional", "required"] = Field("optional", description="required: a file waits for <name>.manifest.json")
    max_file_bytes: int = Field(8 << 30, ge=1)
    max_expanded_bytes: int = Field(32 << 30, ge=1, description="of a packed file, unpacked")
    max_expansion_ratio: int = Field(200, ge=1, description="unpacked bytes for each packed byte, most")


class Schedule(_Frozen):
    """When the day is planned at the latest."""

    cron: str = "0 6 * * *"
    is_active: bool = Field(False, description="start the schedule and the sensor with the code location")


class ForecastSettings(_Frozen):
    """Choices of the forecast."""

    holiday_country: str | None = Field(None, description="ISO code for public holidays")
    history_days: int = Field(400, ge=56, description="days of demand a model looks at")
    retrain_every_days: int = Field(7, ge=1)
    trees: int = Field(150, ge=10)
    leaves: int = Field(63, ge=4)
    training_rows: int = Field(1_000_000, ge=1_000, description="rows drawn for training; fewer are all used")
    threads: int = Field(2, ge=1)


class PlanningSettings(_Frozen):
    """Choices of targets and transfers that do not vary by SKU or node."""

    cycle_service_level: float = Field(0.95, gt=0, lt=1, description="where no policy says otherwise")
    target_method: Literal["cycle service level", "newsvendor", "textbook"] = Field(
        "cycle service level", description="what targets keep where no policy says otherwise; textbook is the normal formula"
    )
    review_period_days: int = Field(7, ge=1, description="where no policy says otherwise")
    penalty_cost_per_unit: float = Field(0.0, ge=0, description="of a unit short, beyond the margin; where no policy says otherwise")
    fixed_cost_per_order: float = Field(2.0, ge=0, description="of placing one replenishment line")
    longest_lot_days: float = Field(7.0, gt=0, description="days of demand that a lot covers, at most")
    min_net_gain_per_line: float = Field(1.0, ge=0, description="transfers that net less, before their share of the departure, stay undone")
    min_net_gain_per_shipment: float = Field(0.0, ge=0, description="departures whose transfers net less after its fixed cost stay undone")
    cool_down_days: int = Field(
        3, ge=0, description="a SKU-node that received a transfer so lately gives none, and one that gave receives none; 0 is off"
    )
    rejected_days: int = Field(3, ge=0, description="days for which a line that a planner rejected is not proposed again")
    price_rounds: int = Field(40, ge=1, description="times that prices of shared lanes and nodes are corrected, at most")
    lane_trials: int = Field(100, ge=0, description="departures that are tried to be closed or opened, at most")
    exact_moves: int = Field(1_500, ge=0, description="pairs of SKU and departure up to which transfers are one integer programme")
    exact_nodes: int = Field(200, ge=1, description="branches that HiGHS looks at in it, at most")
    pilot_only: bool = Field(
        False, description="only lines inside the pilot cluster (nodes and SKUs with is_pilot) are proposed, others are shadows"
    )
    refurbish_cost_share: float = Field(0.2, ge=0, description="of the unit cost: what making a returned unit saleable costs")
    liquidation_share: float = Field(0.3, ge=0, description="of the unit cost: what a liquidator pays")
    design: Literal["monthly", "daily", "never"] = Field(
        "monthly", description="when network and placement are designed: on the last day of a month, every day, or not"
    )
    least_saving_per_node: float = Field(25.0, ge=0, description="a year, of standing a SKU at one node more")
    delivery_day_cost_per_unit: float = Field(0.0, ge=0, description="what a day of later delivery is held to cost, in placements")
    design_seconds: float = Field(60.0, gt=0, description="HiGHS stops a design after so long, with the best it found and its bound")
    twin_skus: int = Field(1_000, ge=10, description="SKUs, spread over the catalogue, whose targets the twin lives through each day")
    plan_draws: int = Field(
        8, ge=0, description="stories of demand through which the twin lives with the transfer plan and without it; 0: it does not"
    )
    sample_paths: int = Field(256, ge=32)


class RoutingSettings(_Frozen):
    """Choices of order routing."""

    split_cost: float = Field(3.0, ge=0, description="of each shipment of an order beyond its first")
    late_cost_per_unit_day: float = Field(1.0, ge=0, description="of a unit that arrives a day after its promise")
    is_promise_hard: bool = Field(False, description="nodes that would be late are not asked")
    node_limit: int = Field(10_000, ge=1, description="branches that HiGHS looks at when orders compete")
    hold_minutes: int = Field(60, ge=1, description="after which a reservation that nobody confirmed is free again")


class AutoApproval(_Frozen):
    """The band in which a proposal needs nobody's approval."""

    max_units: int = Field(ge=1, description="of a line")
    max_cost: float = Field(ge=0, description="of a transfer")
    min_net_gain: float = Field(0.0, description="of a transfer")
    kinds: tuple[Literal["transfer", "replenishment", "supplier_order"], ...] = ("transfer", "replenishment", "supplier_order")


class GovernanceSettings(_Frozen):
    """Who may let a proposal happen."""

    shadow: bool = Field(False, description="only watch: every line is a shadow, which nobody can approve")
    auto_approve: AutoApproval | None = Field(None, description="what is approved without anybody; empty: nothing")
    issue_within_days: int | None = Field(2, ge=0, description="stock known as of an older day is too old to issue transfers; empty: never")


class HandOverSettings(_Frozen):
    """How issued transfers reach the systems that carry them out."""

    formats: tuple[Literal["x12", "csv", "json", "people"], ...] = Field(
        ("csv", "json", "people"), description="files written below outbox/"
    )
    sender_id: str = Field("NODEWISE", pattern="^[A-Za-z0-9 ]{1,15}$", description="X12 interchange sender")
    receiver_id: str = Field("WMS", pattern="^[A-Za-z0-9 ]{1,15}$", description="X12 interchange receiver")
    http_url: str | None = Field(None, pattern="^https?://", description="documents are posted there as JSON; empty: not at all")
    http_token_variable: str | None = Field(None, description="environment variable that holds the bearer token")
    http_timeout_seconds: float = Field(10.0, gt=0)


class GateSettings(_Frozen):
    """How much dirt each stage tolerates."""

    max_quarantined_share: float = Field(0.02, ge=0, le=1, description="of a file's lines")
    min_coverage_95: float = Field(0.85, ge=0, le=1, description="share of backtest days inside the central 95 % band, least")
    max_service_shortfall: float = Field(0.02, ge=0, le=1, description="points by which attained service may miss the promised one")
    max_forecast_bias: float = Field(0.25, gt=0, description="|sum of forecast / sum of demand - 1| in the backtest, most")


class PublishSettings(_Frozen):
    """What stays readable."""

    keep_versions: int = Field(14, ge=1, description="published days kept beside the current one")


class RetentionSettings(_Frozen):
    """What is forgotten, and when."""

    landing_days: int | None = Field(None, ge=200, description="landed files whose days are all older are removed; empty: never")
    run_days: int = Field(90, ge=1, description="Dagster runs that are older are deleted with their log")


class Settings(_Frozen):
    """One deployment."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    time_zone: TimeZone
    data_dir: Path
    first_date: dt.date = Field(description="first business day of the history")
    schedule: Schedule = Schedule()
    feeds: dict[str, FeedSettings]
    forecast: ForecastSettings = ForecastSettings()
    planning: PlanningSettings = PlanningSettings()
    gates: GateSettings = GateSettings()
    routing: RoutingSettings = RoutingSettings()
    governance: GovernanceSettings = GovernanceSettings()
    hand_over: HandOverSettings = HandOverSettings()
    publish: PublishSettings = PublishSettings()
    retention: RetentionSettings = RetentionSettings()

    def model_post_init(self, _context: object) -> None:
        """Refuse feeds and columns the contract does not know, and a landing area shorter than what a forecast looks at."""
        kept = self.retention.landing_days
        if kept is not None and kept < self.forecast.history_days + 90:
            raise ValueError(f"retention.landing_days {kept} is less than forecast.history_days + 90: a rebuild could not forecast")
        for name, feed in self.feeds.items():
            if name not in FEEDS:
                raise ValueError(f"feeds: {name!r} is not a feed; feeds are {', '.join(FEEDS)}")
            named = (*feed.columns, *feed.constants, *feed.limits, *feed.fields_set_aside, *(rule.column for rule in feed.exclude))
            unknown = [column for column in named if column not in FEEDS[name].fields]
            if unknown:
                raise ValueError(f"feeds.{name}: {', '.join(unknown)} not in the contract; it has {', '.join(FEEDS[name].fields)}")
            needed = [column for column in feed.fields_set_aside if column in FEEDS[name].required]
            if needed:
                raise ValueError(f"feeds.{name}.fields_set_aside: a line without {', '.join(needed)} means nothing")

    @property
    def inbox(self) -> Path:
        """Where files are dropped."""
        return self.data_dir / "inbox"

    @property
    def landing(self) -> Path:
        """Immutable delivered lines."""
        return self.data_dir / "landing"

    @property
    def warehouse(self) -> Path:
        """The pipeline's private DuckDB file."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def ops(self) -> Path:
        """Operational state (SQLite)."""
        return self.data_dir / "ops.sqlite"

    @property
    def outbox(self) -> Path:
        """Documents for other systems."""
        return self.data_dir / "outbox"

    @property
    def models(self) -> Path:
        """Model registry."""
        return self.data_dir / "models"

    @property
    def published(self) -> Path:
        """What readers see."""
        return self.data_dir / "published"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance."""
        return self.data_dir / "dagster"


def load_settings(path: Path) -> Settings:
    """Read and check a `settings.yaml`; a relative `data_dir` is relative to the file, a preset stands under its feed's own words.

    Raises
    ------
    SettingsError
        The file is missing, is not YAML, or a value is not allowed.
    """
    if not path.is_file():
        raise SettingsError(f"{path}: no such settings file; write one with `nodewise init` or name it with --settings")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    return parse_settings(content, path)


def parse_settings(content: dict[str, Any], path: Path) -> Settings:
    """Check the content of a settings file that stands, or could stand, at ``path``.

    Raises
    ------
    SettingsError
        A value is not allowed.
    """
    try:
        feeds = content.get("feeds") or {}
        merged = {name: presets.merged(name, feed) if feed and "preset" in feed else feed for name, feed in feeds.items()}
        settings = Settings.model_validate({**content, "feeds": merged})
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path}: {lines}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    folder = (path.parent / settings.data_dir).resolve()
    if any(sign in str(folder) for sign in "*?[]{}'"):
        raise SettingsError(f"{path}: data_dir {folder} holds a sign that file patterns read as their own; choose another folder")
    return settings.model_copy(update={"data_dir": folder})
