"""The tables of `ops.sqlite`.

Belongs here: what is kept. Does not: who reads and writes it (`ops_store.py`, `transfer_ledger.py`, `outbox.py`, `reservations.py`). Rows are added,
never changed; only `stock_positions`, what is published of the last day, is replaced.
"""

SCHEMA = """
create table if not exists deliveries (
    ledger_sequence integer primary key autoincrement,
    feed text not null, file_hash text not null, file_name text not null, received_at text not null,
    file_bytes integer not null, received_lines integer not null,
    status text not null check (status in ('landed', 'duplicate', 'rejected')),
    reason text not null default '', column_types text not null default '', dropped_columns text not null default '',
    is_verified integer not null default 0
);
create unique index if not exists one_landing_per_content on deliveries (feed, file_hash) where status = 'landed';
create table if not exists delivered_days (
    feed text not null, file_hash text not null, node_id text not null, day text not null, lines integer not null,
    primary key (feed, file_hash, node_id, day)
);
create table if not exists forgotten_files (
    feed text not null, file_hash text not null, forgotten_at text not null, primary key (feed, file_hash)
);
create table if not exists gates (
    evaluation integer primary key autoincrement,
    gate text not null, check_name text not null, as_of_date text not null, input_hash text not null,
    verdict text not null check (verdict in ('pass', 'warn', 'fail')), message text not null, evaluated_at text not null
);
create table if not exists publications (
    publication integer primary key autoincrement,
    as_of_date text not null, version text not null, ledger_sequence integer not null, input_hash text not null,
    model_version text, settings_hash text not null, content_hashes text not null, published_at text not null
);
create table if not exists transfer_orders (
    transfer_id text primary key,
    order_kind text not null check (order_kind in ('transfer', 'replenishment', 'supplier_order')),
    as_of_date text not null, sku_id text not null, origin_node_id text, destination_node_id text not null, mode text not null,
    planned_units integer not null check (planned_units > 0), case_pack_units integer not null, ship_date text not null, arrival_date text not null,
    transfer_cost real, expected_gain real, net_gain real, reason_code text not null, explanation text not null,
    is_shadow integer not null, recorded_at text not null
);
create index if not exists orders_by_day on transfer_orders (as_of_date);
create table if not exists transfer_events (
    event_sequence integer primary key autoincrement,
    transfer_id text not null references transfer_orders (transfer_id),
    state text not null, units integer not null check (units >= 0), actor text not null, reason text not null, at text not null,
    expected_gain real, transfer_cost real, event_key text unique
);
create index if not exists orders_by_stock on transfer_orders (sku_id, origin_node_id);
create index if not exists events_by_order on transfer_events (transfer_id, event_sequence);
create view if not exists transfer_states as
select o.*, e.event_sequence, e.state, e.units, e.actor, e.reason, e.at
from transfer_orders o join transfer_events e on e.transfer_id = o.transfer_id
where e.event_sequence = (select max(event_sequence) from transfer_events where transfer_id = o.transfer_id);
create table if not exists transfer_feed_totals (
    transfer_id text not null references transfer_orders (transfer_id), state text not null, units integer not null, primary key (transfer_id, state)
);
create table if not exists outbox (
    document integer primary key autoincrement,
    document_key text not null unique, order_kind text not null, origin_node_id text, destination_node_id text not null, mode text not null,
    ship_date text not null, lines text not null, queued_at text not null
);
create table if not exists outbox_sent (
    document_key text not null references outbox (document_key), channel text not null, sent_at text not null, detail text not null,
    primary key (document_key, channel)
);
create table if not exists outbox_attempts (
    document_key text not null, channel text not null, at text not null, problem text not null
);
create table if not exists stock_day (as_of_date text not null, recorded_at text not null);
create table if not exists stock_positions (
    sku_id text not null, node_id text not null, on_hand_units integer not null, reserved_units integer not null,
    presentation_units integer not null, unit_value real not null, recorded_at text not null, primary key (sku_id, node_id)
) without rowid;
create table if not exists service_zones (
    node_id text not null, region_id text not null, unit_cost real not null, delivery_days integer not null, primary key (region_id, node_id)
) without rowid;
create table if not exists reservations (
    entry integer primary key autoincrement,
    reservation_key text not null, order_id text not null, line_number integer not null, sku_id text not null, node_id text not null,
    units integer not null check (units <> 0), reason text not null, at text not null, expires_at text, entry_key text unique
);
create table if not exists reservations_confirmed (reservation_key text primary key, confirmed_at text not null);
create index if not exists reservations_by_key on reservations (reservation_key);
create index if not exists reservations_by_expiry on reservations (expires_at);
create index if not exists reservations_by_stock on reservations (sku_id, node_id);
create index if not exists reservations_by_order on reservations (order_id, line_number);
"""
ADDED = (  # columns that came later
    ("publications", "event_sequence integer not null default 0"),
    ("publications", "reservation_sequence integer not null default 0"),
    ("stock_day", "cut_at text not null default ''"),
    ("transfer_events", "advised_units integer"),
)
