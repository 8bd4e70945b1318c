"""The command's root: its options, and how results and failures are told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from harness import __version__
from harness.audit.plan import check
from harness.config import AuditConfig, load
from harness.errors import EdgeleakError
from harness.report import Report, findings

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
app = typer.Typer(
    name="edgeleak",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Measure what compressed on-device models tell about their training set, on the files and kernels that ship.",
    epilog="Exit codes: 0 pass, 1 gate failed, 2 inconclusive, 3 internal or device error, 4 usage or configuration.",
)

SourceArgument = Annotated[
    Path, typer.Argument(metavar="AUDIT.toml|FILE.npz", help="The audit's configuration, or arrays from anywhere.")
]
ConfigArgument = Annotated[Path, typer.Argument(metavar="AUDIT.toml", help="The audit's configuration.")]
RunOption = Annotated[Path | None, typer.Option("--run", help="Run folder; default runs/NAME.", metavar="DIR")]
DeviceOption = Annotated[str | None, typer.Option("--device", "-d", help="local, or grpc://host:port.", metavar="URL")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Replaces the configuration's seed.", metavar="N")
]
NullOption = Annotated[bool, typer.Option("--null", help="Run the null twin: nobody was trained on the audited pools.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over: delete the run folder first.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
DEFAULT_CONFIG = Path("audit.toml")
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one a core.", metavar="N")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"edgeleak {__version__}")
        raise typer.Exit(0)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def tell(found: dict[str, Any], sentences: Iterable[str], files: Iterable[Path], *, as_json: bool) -> None:
    """What a study found, in sentences, and where it wrote the rest."""
    if as_json:
        out.print_json(json.dumps(found))
        return
    for sentence in sentences:
        out.print(f"- {sentence}", soft_wrap=True)
    out.print("\nWritten: " + ", ".join(map(str, files)), soft_wrap=True)


def show(found: dict[str, Any], *, as_json: bool, shown: dict[str, Any]) -> None:
    if as_json:
        out.print_json(json.dumps(found))
    else:
        out.print(findings(Report.from_json(shown)))


def configure(path: Path, *, device: str | None, seed: int | None, null: bool) -> AuditConfig:
    config = load(path)
    if device is not None:
        config = config.with_changes(device=config.device.model_copy(update={"url": device}))
    if seed is not None:
        config = config.with_changes(seed=seed)
    config = config.with_changes(null=True) if null else config
    check(config)
    return config


def folder_of(chosen: Path | None, config: AuditConfig) -> Path:
    return chosen or Path("runs") / (config.name + ("-null" if config.null else ""))


def example() -> Any:
    """The bundled example: beside the package in a checkout, inside it when installed."""
    inside = resources.files("harness") / "examples" / "digits.toml"
    return inside if inside.is_file() else Path(__file__).parent.parent.parent / "examples" / "digits.toml"


def say(error: EdgeleakError) -> int:
    err.print(f"edgeleak: {error}", markup=False, soft_wrap=True)
    return error.exit_code
