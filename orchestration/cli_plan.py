"""`nodewise plan`: looking at the plan, deciding on it, handing it over and confirming what became of it.

Belongs here: arguments and what a person is told. Does not: any rule. Heavy packages are imported inside the commands, so that help is quick.
"""

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

plan_app = typer.Typer(no_args_is_help=True, help="The plan: look, decide, hand over, confirm.")

SettingsFile = Annotated[Path, typer.Option("--settings", help="The deployment's settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
Ids = Annotated[list[str], typer.Argument(help="Transfers, by id or the beginning of it.")]
SomeIds = Annotated[list[str] | None, typer.Argument(help="Transfers, by id or the beginning of it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept for ever.")]
By = Annotated[str, typer.Option("--by", help="Who decides; by default who is logged in.")]
_DEFAULT = Path("settings.yaml")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=180)


def _refuse(message: str, code: int = 1) -> None:
    Console(stderr=True, soft_wrap=True).print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(code)


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def _deployment(settings: Path) -> Any:
    from orchestration.deployment import Deployment
    from orchestration.settings import load_settings

    return Deployment(load_settings(settings))


@plan_app.command("show")
def show(
    settings: SettingsFile = _DEFAULT,
    sku: Annotated[str, typer.Option(help="Only this SKU.")] = "",
    node: Annotated[str, typer.Option(help="Only lines from or to this node.")] = "",
    state: Annotated[str, typer.Option(help="Only transfers and replenishments in this state, of any day, e.g. issued.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """The published transfers, most valuable first, and what has become of them."""
    from dataclasses import asdict

    from orchestration import plan_report, report, transfer_ledger

    deployment = _deployment(settings)
    if state:
        if state not in transfer_ledger.FOLLOWS:
            raise typer.BadParameter(f"{state!r} is not one of {', '.join(transfer_ledger.FOLLOWS)}")
        with deployment.ops() as store:
            found = [
                t
                for t in transfer_ledger.find(store, states=(state,))
                if sku in ("", t.sku_id) and node in ("", t.origin_node_id, t.destination_node_id)
            ][:limit]
        if as_json:
            _print_json([asdict(t) for t in found])
        else:
            _console().print(plan_report.order_table(found))
        return
    try:
        rows = report.transfers(deployment.settings, sku=sku, node=node, limit=limit)
    except report.NothingPublishedError as error:
        _refuse(str(error))
    with deployment.ops() as store:
        states = {t.transfer_id: t for t in transfer_ledger.find(store, ids=[row["transfer_id"] for row in rows])} if rows else {}
    rows = [row | {"state": states[row["transfer_id"]].state if row["transfer_id"] in states else row["status"]} for row in rows]
    if as_json:
        _print_json(rows)
    else:
        _console().print(report.transfer_table(rows))


@plan_app.command("explain")
def explain(transfer_id: Annotated[str, typer.Argument(help="A transfer, by id or the beginning of it.")], settings: SettingsFile = _DEFAULT, as_json: AsJson = False) -> None:  # fmt: skip
    """One line in full: why, what it does to both ends, what else could have been done, what became of it."""
    from orchestration import plan_report, transfer_ledger

    deployment = _deployment(settings)
    try:
        with deployment.ops() as store:
            transfer = transfer_ledger.get(store, transfer_id)
            events = store.execute(
                "select at, state, units, actor, reason from transfer_events where transfer_id = ? order by event_sequence",
                (transfer.transfer_id,),
            ).fetchall()
    except transfer_ledger.TransferStateError as error:
        _refuse(str(error), 2)
    told = plan_report.explained(deployment.settings, transfer.transfer_id, transfer.as_of_date)
    if as_json:
        names = ("at", "state", "units", "actor", "reason")
        _print_json(
            {"transfer": told, "explanation": transfer.explanation, "events": [dict(zip(names, row, strict=True)) for row in events]}
        )
        return
    plan_report.print_explained(_console(), transfer, told, events)


@plan_app.command("diff")
def diff(
    settings: SettingsFile = _DEFAULT,
    against: Annotated[str, typer.Option(help="A published day to compare with; by default the one before.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """What changed since the plan before: lines that are new, gone, larger or smaller, and the money it makes."""
    from orchestration import plan_report, report

    try:
        days, rows = plan_report.plan_diff(_deployment(settings).settings, against)
    except (report.NothingPublishedError, LookupError) as error:
        _refuse(str(error))
    if as_json:
        _print_json({"days": days, "lines": rows})
    else:
        plan_report.print_diff(_console(), days, rows, limit)


@plan_app.command("approve")
def approve(
    ids: SomeIds = None,
    settings: SettingsFile = _DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is proposed.")] = False,
    units: Annotated[int | None, typer.Option(min=1, help="Other units than proposed, in whole cases; one transfer only.")] = None,
    reason: Reason = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Approve proposals; with other units the effect is worked out again, and a reason is asked for."""
    from orchestration import transfer_ledger
    from orchestration.what_if import effect_of

    deployment = _deployment(settings)
    chosen = _chosen(deployment, ids, everything, transfer_ledger.PROPOSED)
    effect = None
    if units is not None:
        if len(chosen) != 1:
            raise typer.BadParameter("--units goes with one transfer")
        effect = effect_of(deployment.settings, chosen[0], units)
    gain = (effect.expected_gain, effect.transfer_cost) if effect else None
    done = _decide(deployment, chosen, transfer_ledger.APPROVED, by, reason, units, gain)
    _tell(done, as_json, effect)


@plan_app.command("reject")
def reject(ids: Ids, settings: SettingsFile = _DEFAULT, reason: Reason = "", by: By = "", as_json: AsJson = False) -> None:
    """Reject proposals, with a reason; they are not proposed again for some days (planning.rejected_days)."""
    from orchestration import transfer_ledger

    deployment = _deployment(settings)
    _tell(_decide(deployment, _chosen(deployment, ids, False, ""), transfer_ledger.REJECTED, by, reason), as_json)


@plan_app.command("cancel")
def cancel(ids: Ids, settings: SettingsFile = _DEFAULT, reason: Reason = "", by: By = "", as_json: AsJson = False) -> None:
    """Cancel what was approved, issued or shipped, with a reason; tell the system that carries it out yourself."""
    from orchestration import transfer_ledger

    deployment = _deployment(settings)
    _tell(_decide(deployment, _chosen(deployment, ids, False, ""), transfer_ledger.CANCELLED, by, reason), as_json)


@plan_app.command("issue")
def issue(
    ids: SomeIds = None,
    settings: SettingsFile = _DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is approved.")] = False,
    queue_only: Annotated[bool, typer.Option("--queue-only", help="Leave the documents in the outbox; `plan send` sends them.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Re-check what is there, make documents of approved transfers, and send them."""
    import datetime as dt

    from orchestration import handover, outbox, transfer_ledger

    deployment = _deployment(settings)
    chosen = _chosen(deployment, ids, everything, transfer_ledger.APPROVED)
    today = dt.datetime.now(dt.UTC).date()
    try:
        issued = handover.issue(deployment, chosen, actor=by or getpass.getuser(), today=today)
    except handover.NotIssuedError as error:
        _refuse(str(error), 5)
    except transfer_ledger.TransferStateError as error:
        _refuse(str(error), 2)
    sent = outbox.send(deployment) if not queue_only else outbox.Sent([], [])
    if as_json:
        _print_json({"transfers": [_brief(t) for t in issued.transfers], "documents": issued.documents, "sent": sent.sent, "problems": sent.problems})  # fmt: skip
    else:
        _tell(issued.transfers, False)
        typer.echo(f"{len(issued.documents)} documents, {len(sent.sent)} deliveries below {deployment.settings.outbox}")
        for problem in sent.problems:
            typer.echo(f"  not sent: {problem}", err=True)
    raise typer.Exit(1 if sent.problems else 0)


@plan_app.command("send")
def send(settings: SettingsFile = _DEFAULT, as_json: AsJson = False) -> None:
    """Send what waits in the outbox; each document once to each channel."""
    from orchestration import outbox

    sent = outbox.send(_deployment(settings))
    if as_json:
        _print_json({"sent": sent.sent, "problems": sent.problems})
    else:
        typer.echo(f"{len(sent.sent)} deliveries")
        for problem in sent.problems:
            typer.echo(f"  not sent: {problem}", err=True)
    raise typer.Exit(1 if sent.problems else 0)


@plan_app.command("confirm")
def confirm(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="X12 945 or 944, CSV or JSON with transfer_id, state, units.")],
    settings: SettingsFile = _DEFAULT,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Enter what was shipped and received; the same file twice changes nothing."""
    from orchestration import receipts
    from orchestration.delivered_file import DeliveryError

    try:
        advices = receipts.read_advices(file)
    except (DeliveryError, ValueError) as error:
        _refuse(str(error), 2)
    with _deployment(settings).ops() as store:
        done = receipts.confirm(store, advices, actor=by or getpass.getuser())
    _tell(done.entered, as_json)
    for problem in done.problems:
        typer.echo(f"  left out: {problem}", err=True)
    raise typer.Exit(1 if done.problems else 0)


@plan_app.command("close")
def close(transfer_id: Annotated[str, typer.Argument()], settings: SettingsFile = _DEFAULT, reason: Reason = "", by: By = "", as_json: AsJson = False) -> None:  # fmt: skip
    """Close a transfer of which more or fewer units arrived than were shipped, with a reason."""
    from orchestration import receipts, transfer_ledger

    with _deployment(settings).ops() as store:
        try:
            done = receipts.close_with_difference(store, transfer_id, actor=by or getpass.getuser(), reason=reason)
        except transfer_ledger.TransferStateError as error:
            _refuse(str(error), 2)
    _tell([done], as_json)


def _chosen(deployment: Any, ids: list[str] | None, everything: bool, state: str) -> list[str]:
    from orchestration import transfer_ledger

    if everything == bool(ids):
        raise typer.BadParameter("name transfers, or --all")
    with deployment.ops() as store:
        if everything:
            return [t.transfer_id for t in transfer_ledger.find(store, states=(state,))]
        try:
            return list(dict.fromkeys(transfer_ledger.get(store, one).transfer_id for one in ids or []))
        except transfer_ledger.TransferStateError as error:
            _refuse(str(error), 2)
    return []


def _decide(
    deployment: Any, ids: list[str], state: str, by: str, reason: str, units: int | None = None, gain: tuple[float, float] | None = None
) -> list[Any]:
    from orchestration import transfer_ledger

    with deployment.ops() as store:
        try:
            return transfer_ledger.decide(store, ids, state, actor=by or getpass.getuser(), reason=reason, units=units, gain=gain)
        except transfer_ledger.TransferStateError as error:
            _refuse(str(error), 2)
    return []


def _brief(transfer: Any) -> dict[str, Any]:
    names = (
        "transfer_id",
        "order_kind",
        "sku_id",
        "origin_node_id",
        "destination_node_id",
        "planned_units",
        "units",
        "state",
        "actor",
        "reason",
    )
    return {name: getattr(transfer, name) for name in names}


def _tell(done: list[Any], as_json: bool, effect: Any = None) -> None:
    if as_json:
        from dataclasses import asdict

        shown = asdict(effect) | {"net_gain": effect.net_gain} if effect else None
        _print_json({"transfers": [_brief(t) for t in done], "effect": shown})
        return
    counts: dict[str, list[int]] = {}
    for t in done:
        counts.setdefault(t.state, []).append(t.units)
    for state, units in counts.items():
        typer.echo(f"{len(units)} {state}, {sum(units):,} units")
    for t in done:
        if t.reason and t.units != t.planned_units:
            typer.echo(f"  {t.transfer_id} {t.sku_id} {t.origin_node_id or 'supplier'} -> {t.destination_node_id}: {t.reason}")
    if effect:
        typer.echo(
            f"  with {effect.units:,} units: gains {effect.expected_gain:,.2f}, costs {effect.transfer_cost:,.2f}, nets {effect.net_gain:,.2f}; "
            f"stockout risk there {effect.destination_stockout_probability:.0%}, here {effect.origin_stockout_probability:.0%}"
        )
