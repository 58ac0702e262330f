"""The command `nodewise`.

Belongs here: arguments, exit codes, what a person or a script is told. Does not: any work. Heavy packages are imported
inside the commands, so that help is quick.
"""

import datetime as dt
import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestration.cli_plan import plan_app

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The right stock at the right node, every morning.", rich_markup_mode=None
)
app.add_typer(plan_app, name="plan")
serve_app = typer.Typer(no_args_is_help=True, help="Services for other systems.")
app.add_typer(serve_app, name="serve")
import_app = typer.Typer(no_args_is_help=True, help="Files before they are delivered.")
app.add_typer(import_app, name="import")

SettingsFile = Annotated[Path, typer.Option("--settings", help="The deployment's settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
Day = Annotated[str, typer.Option("--as-of-date", help="The last complete business day, YYYY-MM-DD; by default yesterday.")]
_DEFAULT = Path("settings.yaml")
_DEMO = Path(".nodewise/demo")


def main() -> None:
    """Entry point: turns errors a user can mend into one line and an exit code."""
    from orchestration.settings import SettingsError

    try:
        app()
    except SettingsError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2)


def _day(text: str, fallback_zone: str) -> dt.date:
    from orchestration.automation import last_complete_day

    if not text:
        return last_complete_day(dt.datetime.now(dt.UTC), fallback_zone)
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day like 2026-01-31") from error


def console() -> Console:
    """Standard output, wide enough for a table when it is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=180)


def _quiet() -> None:
    """Dagster's own log goes to its event log; the console shows progress instead."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the deployment shall stand.")],
    currency: Annotated[str, typer.Option(help="ISO code.")] = "EUR",
    time_zone: Annotated[str, typer.Option(help="IANA name; where the company's day ends.")] = "UTC",
    first_date: Annotated[str, typer.Option(help="First business day of the history, YYYY-MM-DD.")] = "",
) -> None:
    """Write a settings file and an empty inbox to start from."""
    from orchestration.settings import SettingsError, load_settings
    from planning.frames import FEEDS

    path = folder / "settings.yaml"
    if path.exists():
        raise typer.BadParameter(f"{path} is already there")
    first = first_date or (dt.date.today() - dt.timedelta(days=365)).isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"currency: {currency}",
        f"time_zone: {time_zone}",
        "data_dir: .",
        f"first_date: {first}",
        'schedule: {cron: "0 6 * * *", is_active: false}',
        "feeds:  # name the foreign columns under `columns`, e.g. pos_sales: {columns: {sku_id: Item, sold_units: Qty}}",
    ]
    required = {"pos_sales", "inventory_snapshots"}
    lines += [f"  {feed}: {'{required: true, max_age_days: 1}' if feed in required else '{}'}" for feed in FEEDS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        load_settings(path)
    except SettingsError:
        path.unlink()
        raise
    for feed in FEEDS:
        (folder / "inbox" / feed).mkdir(parents=True, exist_ok=True)
    typer.echo(f"{path}: edit it, drop files into {folder / 'inbox'}/<feed>/, then: nodewise run --settings {path}")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo company stands.")] = _DEMO,
    skus: Annotated[int, typer.Option(min=20)] = 320,
    days: Annotated[int, typer.Option(min=90)] = 400,
    seed: Annotated[int, typer.Option()] = 7,
    last_day: Annotated[str, typer.Option(help="Last day of the demo, YYYY-MM-DD.")] = "",
    feeds_only: Annotated[bool, typer.Option("--feeds-only", help="Write the files and stop.")] = False,
    faults: Annotated[str, typer.Option(help="Bad luck for the last day: names with commas between, or `list`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the demo company's feeds, run its last day and show the plan."""
    from demo.company import LAST_DAY, write_company
    from demo.faults import FAULTS, apply_faults

    if faults == "list":
        for fault in FAULTS.values():
            typer.echo(f"{fault.name:<22}{fault.outcome:<12}{fault.about}")
        return
    last = last_day or LAST_DAY
    made = json.dumps({"skus": skus, "days": days, "seed": seed, "last_day": last, "faults": faults})
    stamp = folder / "demo.json"
    if not stamp.exists():
        if folder.exists() and any(folder.iterdir()):
            raise typer.BadParameter(f"{folder} holds something else; choose another --folder or remove it")
        if not as_json:
            typer.echo(f"writing {days} days of a company with {skus} SKUs to {folder}")
        write_company(folder, sku_count=skus, day_count=days, last_day=last, seed=seed)
        try:
            apply_faults(folder / "inbox", [name for name in faults.split(",") if name], day=last)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        stamp.write_text(made, encoding="utf-8")
    elif stamp.read_text(encoding="utf-8") != made:
        raise typer.BadParameter(f"{folder} holds another demo company ({stamp.read_text(encoding='utf-8')}); remove it or choose --folder")
    if feeds_only:
        typer.echo(f"{folder / 'settings.yaml'}: ready")
        return
    _run_and_tell(folder / "settings.yaml", last, as_json=as_json)


@app.command()
def run(settings: SettingsFile = _DEFAULT, as_of_date: Day = "", as_json: AsJson = False) -> None:
    """Run one day, from the files in the inbox to the published plan."""
    _run_and_tell(settings, as_of_date, as_json=as_json)


def _run_and_tell(settings_file: Path, day_text: str, *, as_json: bool) -> None:
    from orchestration.settings import load_settings

    settings = load_settings(settings_file)
    day = _day(day_text, settings.time_zone)
    if day < settings.first_date:
        raise typer.BadParameter(f"{day} lies before first_date {settings.first_date} of {settings_file}")
    from orchestration.deployment import Deployment
    from orchestration.progress import Shown
    from orchestration.running import run_day

    _quiet()
    with Shown(enabled=not as_json) as shown:
        outcome = run_day(Deployment(settings), day, progress=shown.progress)
    if as_json:
        _print_json({"exit_code": outcome.exit_code, "as_of_date": outcome.as_of_date, "version": outcome.version,
                     "problems": outcome.problems, "seconds": {k: round(v, 2) for k, v in outcome.seconds.items()}})  # fmt: skip
    elif outcome.exit_code:
        _tell_problems(outcome.exit_code, outcome.as_of_date, outcome.problems)
    else:
        from orchestration.report import print_day

        print_day(settings, console())
    raise typer.Exit(outcome.exit_code)


_SAID = {1: "the run failed", 3: "a gate is red; nothing downstream ran, and what was published before stands",
         4: "no plan can obey every limit", 5: "the input is stale; what was published before stands"}  # fmt: skip


def _tell_problems(code: int, day: str, problems: list[str]) -> None:
    out = Console(stderr=True, soft_wrap=True)
    out.print(f"{day}: {_SAID[code]}", style="bold red", highlight=False)
    for problem in problems:
        out.print(f"  - {problem}", markup=False, highlight=False)


@app.command()
def replay(
    day: Annotated[str, typer.Argument(help="A published day, YYYY-MM-DD.")], settings: SettingsFile = _DEFAULT, as_json: AsJson = False
) -> None:
    """Derive a published day again from landing and hold it against what was published."""
    from orchestration.progress import Shown
    from orchestration.running import ReplayError
    from orchestration.running import replay as replay_day
    from orchestration.settings import load_settings

    chosen = load_settings(settings)
    _quiet()
    try:
        with Shown(enabled=not as_json) as shown:
            outcome, then, now = replay_day(chosen, _day(day, chosen.time_zone), progress=shown.progress)
    except ReplayError as error:
        _tell_problems(1, day, [str(error)])
        raise typer.Exit(2) from error
    changed = [name for name, digest in then.content_hashes.items() if now.get(name) != digest]
    code = outcome.exit_code or (1 if changed else 0)
    if as_json:
        _print_json(
            {"exit_code": code, "as_of_date": day, "version": then.version, "changed_tables": changed, "problems": outcome.problems}
        )
    elif outcome.exit_code:
        _tell_problems(outcome.exit_code, day, outcome.problems)
    elif changed:
        _tell_problems(1, day, [f"{name} differs from what was published as {then.version}" for name in changed])
    else:
        typer.echo(f"{day}: {len(now)} tables, every content hash as published ({then.version})")
    raise typer.Exit(code)


@app.command()
def rebuild(settings: SettingsFile = _DEFAULT, as_of_date: Day = "", as_json: AsJson = False) -> None:
    """Make the warehouse again from landing, and run its last published day (or another one) on it."""
    from orchestration.progress import Shown
    from orchestration.rebuilding import rebuild as make_again
    from orchestration.settings import load_settings

    chosen = load_settings(settings)
    _quiet()
    with Shown(enabled=not as_json) as shown:
        outcome, changed = make_again(chosen, _day(as_of_date, chosen.time_zone) if as_of_date else None, progress=shown.progress)
    code = outcome.exit_code if outcome else 0
    if as_json:
        _print_json({"exit_code": code, "changed_tables": changed, "problems": outcome.problems if outcome else []})
    elif outcome is None:
        typer.echo("the warehouse is empty; the next run builds it from landing")
    elif code:
        _tell_problems(code, outcome.as_of_date, outcome.problems)
    elif changed:
        typer.echo(f"{outcome.as_of_date}: rebuilt; {', '.join(changed)} differ from what was published before")
    else:
        typer.echo(f"{outcome.as_of_date}: rebuilt; every content hash as published ({outcome.version})")
    raise typer.Exit(code)


@app.command()
def status(settings: SettingsFile = _DEFAULT, as_json: AsJson = False) -> None:
    """What is published, what waits in the inbox, and which gates are red."""
    from orchestration.report import status_of
    from orchestration.settings import load_settings

    content = status_of(load_settings(settings))
    if as_json:
        _print_json(content)
        return
    out = console()
    for key, value in content.items():
        out.print(
            f"{key.replace('_', ' '):<22}",
            value if not isinstance(value, list) else "; ".join(map(str, value)) or "none",
            markup=False,
            highlight=False,
        )


@serve_app.command("api")
def serve_api(
    settings: SettingsFile = _DEFAULT,
    host: Annotated[str, typer.Option(help="Address; others than the loopback one belong behind a proxy with TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8080,
) -> None:
    """The HTTP service for order systems: availability, routing, reservations. The token comes from NODEWISE_API_TOKEN."""
    import uvicorn

    from orchestration.api import TOKEN_VARIABLE, build_api
    from orchestration.settings import load_settings

    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        _tell_problems(1, "serve api", [f"{TOKEN_VARIABLE} is not set; every caller has to know the token"])
        raise typer.Exit(2)
    uvicorn.run(build_api(load_settings(settings), token), host=host, port=port, log_level="warning")


@app.command("show-failures")
def show_failures(
    test: Annotated[str, typer.Argument(help="Name of a dbt test, as a red facts gate prints it.")],
    settings: SettingsFile = _DEFAULT,
    limit: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """The rows that fail a dbt test."""
    from orchestration.dbt import failing_rows
    from orchestration.settings import load_settings

    try:
        typer.echo(failing_rows(load_settings(settings), test, limit))
    except LookupError as error:
        raise typer.BadParameter(str(error)) from error


@import_app.command("check")
def import_check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file as it would be dropped into the inbox.")],
    feed: Annotated[str, typer.Option(help="Feed it is for; by default the preset's.")] = "",
    preset: Annotated[str, typer.Option(help="Mapping of a common export, e.g. shopify_orders; `import presets` lists them.")] = "",
    settings: SettingsFile = _DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Show what a file would map, what it would quarantine and why. Changes nothing."""
    from orchestration import presets
    from orchestration.import_check import check_file
    from orchestration.report import print_check
    from orchestration.settings import SettingsError, load_settings, parse_settings

    try:
        wanted = feed or (presets.read(preset)["feed"] if preset else file.resolve().parent.name)
        if preset:
            chosen = {
                "currency": "EUR",
                "time_zone": "UTC",
                "data_dir": ".",
                "first_date": "2000-01-01",
                "feeds": {wanted: {"preset": preset}},
            }
            base = parse_settings(chosen, file)
        else:
            base = load_settings(settings)
    except (SettingsError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    if wanted not in base.feeds:
        raise typer.BadParameter(f"{wanted!r} is not a configured feed; name one with --feed or --preset")
    checked = check_file(base, wanted, file)
    if as_json:
        _print_json(checked.__dict__)
    else:
        print_check(checked, file, console())
    raise typer.Exit(3 if checked.problem else 0)


@import_app.command("presets")
def import_presets() -> None:
    """The mappings of common exports that come with nodewise."""
    from orchestration import presets

    for name in presets.names():
        content = presets.read(name)
        typer.echo(f"{name:<32}{content['feed']:<22}{content['about']}")


@app.command(context_settings={"allow_extra_args": True})
def dev(
    settings: SettingsFile = _DEFAULT,
    port: Annotated[int, typer.Option(help="Port on the loopback address.")] = 3000,
) -> None:
    """Dagster's UI, schedule and sensor on this deployment, on the loopback address."""
    from orchestration.definitions import SETTINGS_VARIABLE
    from orchestration.instance import only_server, open_instance
    from orchestration.settings import load_settings

    chosen = load_settings(settings)
    if not only_server(chosen):
        _tell_problems(1, "dev", [f"{chosen.data_dir} is served by another nodewise dev already; end that one first"])
        raise typer.Exit(1)
    os.environ[SETTINGS_VARIABLE] = str(settings.resolve())
    open_instance(chosen).dispose()  # its tables stand before several processes look for them
    command = str(Path(sys.executable).parent / "dagster")
    os.execv(command, [command, "dev", "-m", "orchestration.code_location", "-h", "127.0.0.1", "-p", str(port)])


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")
