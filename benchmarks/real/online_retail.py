"""Online Retail (UCI) as a deployment: UK e-commerce invoices with countries as regions, and all their dirt.

    python -m benchmarks.real.online_retail --data DIR --out DIR --last-date 2011-08-31

A month a file. Lines keep what they say: postage, fees and vouchers, free lines and exact copies are left for the product to judge
(settings name what is no product). A C invoice cancels the line it matches (same customer, product, quantity and price,
earlier); without a match it is a return. Belongs here: the mapping. Does not: anything the product needs.
"""

import argparse
import datetime as dt
from pathlib import Path

import duckdb
import yaml

NOT_A_PRODUCT = "POST|DOT|M|m|D|S|C2|CRUK|PADS|AMAZONFEE|BANK CHARGES|B|gift_.*"
_LINES = """
create table lines as
select *, InvoiceNo like 'C%' as is_credit,
    dense_rank() over (partition by InvoiceNo order by StockCode, coalesce(Description, ''), Quantity, InvoiceDate, UnitPrice, coalesce(CustomerID, -1)) as line_number
from read_parquet($path) where InvoiceDate < $last + interval 1 day
"""
_MATCHES = """
create table matches as
with placed as (
    select *, row_number() over (partition by CustomerID, StockCode, Quantity, UnitPrice order by InvoiceDate desc, InvoiceNo desc) as nth
    from (select distinct InvoiceNo, line_number, CustomerID, StockCode, Quantity, UnitPrice, InvoiceDate from lines where not is_credit and Quantity > 0 and CustomerID is not null)
), credit as (
    select *, row_number() over (partition by CustomerID, StockCode, Quantity, UnitPrice order by InvoiceDate desc, InvoiceNo desc) as nth
    from (select distinct InvoiceNo, line_number, CustomerID, StockCode, Quantity, UnitPrice, InvoiceDate from lines where is_credit and CustomerID is not null)
)
select c.InvoiceNo as credit_id, c.line_number as credit_line, p.InvoiceNo as order_id, p.line_number, p.InvoiceDate as ordered_at
from credit c join placed p using (CustomerID, StockCode, UnitPrice, nth)
where p.Quantity = -c.Quantity and p.InvoiceDate <= c.InvoiceDate
"""
_ORDERS = """
select l.InvoiceNo as order_id, l.line_number, strftime(l.InvoiceDate, '%Y-%m-%dT%H:%M:%S') as ordered_at, l.StockCode as sku_id,
    l.Quantity as ordered_units, l.UnitPrice as unit_price, l.Country as ship_to_region_id, 'placed' as status,
    strftime(l.InvoiceDate, '%Y-%m-%dT%H:%M:%S') as updated_at, l.CustomerID as customer, l.InvoiceDate as moment
from lines l where not is_credit
union all
select m.order_id, m.line_number, strftime(m.ordered_at, '%Y-%m-%dT%H:%M:%S'), l.StockCode, -l.Quantity, l.UnitPrice, l.Country, 'cancelled',
    strftime(l.InvoiceDate, '%Y-%m-%dT%H:%M:%S'), l.CustomerID, l.InvoiceDate
from lines l join matches m on m.credit_id = l.InvoiceNo and m.credit_line = l.line_number where is_credit
order by moment, order_id, line_number
"""
_RETURNS = """
select l.InvoiceNo as return_id, l.line_number, strftime(l.InvoiceDate, '%Y-%m-%dT%H:%M:%S') as returned_at, 'UK-HUB' as node_id,
    l.StockCode as sku_id, -l.Quantity as returned_units, 'saleable' as condition, l.InvoiceDate as moment
from lines l anti join matches m on m.credit_id = l.InvoiceNo and m.credit_line = l.line_number where is_credit
order by moment, return_id, line_number
"""
_MASTERS = {
    "skus": """select StockCode as sku_id, max(Description) as name, left(StockCode, 2) as category, round(0.5 * median(UnitPrice), 2) as unit_cost,
                   round(median(UnitPrice), 2) as unit_price from lines where UnitPrice > 0 and not regexp_full_match(StockCode, $pattern) group by all order by 1""",
    "regions": "select distinct Country as region_id, 'Europe/London' as time_zone from lines order by 1",
    "nodes": """select * from (values ('UK-HUB', 'hub', 'United Kingdom', 52.5, -1.5, null), ('EU-DC', 'regional_dc', 'Netherlands', 51.9, 4.5, 'UK-HUB'))
                t(node_id, node_type, region_id, latitude, longitude, replenished_from_node_id)""",
    "lanes": """select * from (values ('UK-HUB', 'EU-DC', 'truck', 3.0, 0.2, 60.0, 'mon|thu')) t(origin_node_id, destination_node_id, mode, lead_time_days, cost_per_unit, fixed_cost_per_shipment, departs_on)""",
    "service_zones": """select 'UK-HUB' as node_id, Country as region_id, case when Country in ('United Kingdom', 'EIRE', 'Channel Islands') then 1 else 2 end as priority
                        from lines group by all
                        union all select 'EU-DC', Country, 1 from lines where Country not in ('United Kingdom', 'EIRE', 'Channel Islands') group by all""",
    "inventory_snapshots": """with demand as (select StockCode as sku_id, greatest(sum(Quantity), 1) / 8.0 as month_units from lines
                                              where not is_credit and Quantity > 0 and not regexp_full_match(StockCode, $pattern) and UnitPrice > 0 group by all)
                              select strftime($last + interval 22 hour, '%Y-%m-%dT%H:%M:%S') as snapshot_at, node_id, sku_id,
                                  ceil(month_units * share * (0.2 + 1.6 * (hash(sku_id || node_id) % 1000) / 1000.0))::bigint as on_hand_units
                              from demand cross join (values ('UK-HUB', 0.9), ('EU-DC', 0.1)) n(node_id, share) order by all""",
}


def write_deployment(data: Path, out: Path, last: dt.date) -> Path:
    """Write inbox and settings and return the settings' path."""
    connection = duckdb.connect()
    path = str(data / "online_retail" / "online_retail_2010_12_to_2011_08.parquet")
    connection.execute(_LINES, {"path": path, "last": last})
    connection.execute(_MATCHES)
    for feed, query in (("ecom_orders", _ORDERS), ("returns", _RETURNS)):
        connection.execute(f"create table {feed} as {query}")
        folder = out / "inbox" / feed
        folder.mkdir(parents=True, exist_ok=True)
        for (month,) in connection.execute(f"select distinct strftime(moment, '%Y-%m') from {feed} order by 1").fetchall():
            connection.execute(
                f"copy (select * exclude (moment) from {feed} where strftime(moment, '%Y-%m') = '{month}') to '{folder}/{feed}_{month}.csv' (header)"
            )
    for feed, query in _MASTERS.items():
        folder = out / "inbox" / feed
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {"pattern": NOT_A_PRODUCT, "last": last}
        rows = connection.execute(query, {k: v for k, v in wanted.items() if f"${k}" in query}).df()
        rows.to_csv(folder / f"{feed}.csv", index=False)
    settings = out / "settings.yaml"
    settings.write_text(yaml.safe_dump(_settings(), sort_keys=False), encoding="utf-8")
    return settings


def _settings() -> dict[str, object]:
    products = [{"column": "sku_id", "matches": NOT_A_PRODUCT, "reason": "not_a_product"}]
    free = [{"column": "unit_price", "at_most": 0, "reason": "stock_correction"}]
    london = {"time_zone": "Europe/London"}
    return {
        "currency": "GBP",
        "time_zone": "Europe/London",
        "data_dir": ".",
        "first_date": "2010-12-01",
        "feeds": {
            "ecom_orders": {"required": True, "max_age_days": 1, **london, "exclude": products + free},
            "returns": {**london, "exclude": products},
            "inventory_snapshots": london,
            **{name: {} for name in ("skus", "regions", "nodes", "lanes", "service_zones")},
        },
        "forecast": {"holiday_country": "GB", "trees": 100, "training_rows": 500_000},
        "gates": {"max_quarantined_share": 0.3, "max_forecast_bias": 0.6},
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds online_retail/")
    parser.add_argument("--out", type=Path, required=True, help="where the deployment is written")
    parser.add_argument("--last-date", type=dt.date.fromisoformat, default=dt.date(2011, 8, 31))
    chosen = parser.parse_args()
    print(write_deployment(chosen.data, chosen.out, chosen.last_date))


if __name__ == "__main__":
    main()
