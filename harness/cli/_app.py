"""The command's root: its options, and how results and failures are shown.

How a verb is added stands in `harness.cli._verbs`. Every verb's help waits for this module, so it loads no numpy and no
pydantic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness import __version__
from harness.cli._output import InertConsole
from harness.cli._verbs import VerbGroup
from harness.errors import EdgeleakError, UsageError

if TYPE_CHECKING:
    from harness.config import AuditConfig, DeviceConfig

out = InertConsole()
err = InertConsole(stderr=True)
app = typer.Typer(
    name="edgeleak",
    cls=VerbGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="Measure what compressed on-device models leak about their training set, on the files and kernels that ship.",
    epilog="Exit codes: 0 pass, 1 gate failed, 2 inconclusive, 3 internal or device error, 4 usage or configuration.",
)

# As `harness.config` has them, which takes as long to load as all else that a verb's help needs; a test compares them.
Answers = Literal["vector", "top-k", "label"]
PoolMode = Literal["replicate", "split"]


def device_is_named(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise UsageError(
            "--device: the name is empty, perhaps of a variable that is not set", hint=f"give {_DEVICE_FORMS}"
        )
    return value


def _devices_are_named(values: list[str] | None) -> list[str] | None:
    for value in values or ():
        device_is_named(value)
    return values


SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="AUDIT.toml|ANSWERS",
        help="The audit's configuration, or answers from anywhere: .npz, .csv or .parquet.",
    ),
]
ConfigArgument = Annotated[Path, typer.Argument(metavar="AUDIT.toml", help="The audit's configuration.")]
RunOption = Annotated[
    Path | None,
    typer.Option("--run", envvar="EDGELEAK_RUN", help="Run folder; default runs/NAME.", metavar="DIR"),
]
_DEVICE_FORMS = (
    "local, adb:serial, emulator:port, arm64-emulated, ssh:[user@]host[:port], grpc://host:port, or "
    "grpc://name@host:port"
)
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        "-d",
        "-s",
        envvar="EDGELEAK_DEVICE",
        callback=device_is_named,
        help=f"{_DEVICE_FORMS}.",
        metavar="URL",
    ),
]
DevicesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        "-d",
        "-s",
        envvar="EDGELEAK_DEVICE",
        callback=_devices_are_named,
        help=f"{_DEVICE_FORMS}; repeat for several devices, or all of them: all.",
        metavar="URL",
    ),
]
ModeOption = Annotated[
    PoolMode | None,
    typer.Option("--mode", help="What several devices do: replicate, each does everything; split, they share it."),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Replaces the configuration's seed.", metavar="N")
]
NullOption = Annotated[bool, typer.Option("--null", help="Run the null twin: nobody was trained on the audited pools.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over: delete the run folder first.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every table, and not the short of it.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", envvar="EDGELEAK_QUIET", help="No progress.")]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one a core.", metavar="N")]
# What describes an audit without a file of its own.
ArtifactOption = Annotated[
    list[str] | None,
    typer.Option(
        "--artifact", help="A model file that ships (.tflite, .pte, .ptl, .onnx); repeat.", metavar="NAME=FILE"
    ),
]
MembersOption = Annotated[
    Path | None, typer.Option("--members", help="Records of the training set: .npz, .csv or .parquet.", metavar="FILE")
]
NonmembersOption = Annotated[
    Path | None, typer.Option("--nonmembers", help="Records that were not in it.", metavar="FILE")
]
RecordsOption = Annotated[
    Path | None, typer.Option("--records", help="One .npz with both, and an array membership.", metavar="FILE")
]
PopulationOption = Annotated[
    Path | None, typer.Option("--population", help="Records in no model's training set.", metavar="FILE")
]
LabelOption = Annotated[
    str | None, typer.Option("--label", help="Column of classes in a table; default label.", metavar="COLUMN")
]
AttackOption = Annotated[
    list[str] | None,
    typer.Option("--attack", help="An attack to run; repeat. Default: the strongest of each family.", metavar="NAME"),
]
ShadowOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--shadow", help="A shadow model's answers, where answers are tables; repeat for each shadow.", metavar="FILE"
    ),
]
AnswersOption = Annotated[
    Answers | None,
    typer.Option(
        "--answers",
        help="What the app shows: the confidence vector, its top-k classes, or the label alone; the device is then "
        "asked about disturbed copies too.",
    ),
]
TopKOption = Annotated[
    int | None,
    typer.Option("--top-k", help="Classes that it shows, with --answers top-k; default 3.", min=1, metavar="K"),
]
MaxAucOption = Annotated[
    float | None, typer.Option("--max-auc", help="Fail where an attack's AUC is above this.", metavar="X")
]
MaxIncreaseOption = Annotated[
    float | None,
    typer.Option("--max-increase", help="Fail where it is above the original's by more than this.", metavar="X"),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        envvar="EDGELEAK_POLICY",
        help="The release policy, in place of the configuration's own: a file, strict, standard or report-only.",
        metavar="POLICY",
    ),
]
DEFAULT_CONFIG = Path("audit.toml")
# As a device's name: every one that is there.
ALL_DEVICES = "all"


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"edgeleak {__version__}")
        raise typer.Exit(0)


def _no_color(wanted: bool) -> None:
    if wanted:
        out.no_color = err.no_color = True


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
    no_color: Annotated[  # noqa: ARG001 - its callback sets it
        bool,
        typer.Option(
            "--no-color",
            envvar="EDGELEAK_NO_COLOR",
            help="No colours; NO_COLOR does the same.",
            callback=_no_color,
            expose_value=False,
        ),
    ] = False,
) -> None:
    show_help(context)


def show_help(context: typer.Context) -> None:
    """Show a group's help where it is called without a verb; that is a question and no error."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def group_of_verbs(name: str, purpose: str) -> typer.Typer:
    """A verb that has verbs of its own, e.g. `agent`.

    Args:
        name: the verb.
        purpose: its help.
    """
    group = typer.Typer(help=purpose, invoke_without_command=True, callback=show_help)
    app.add_typer(group, name=name)
    return group


def show_sentences(result: dict[str, Any], sentences: Iterable[str], files: Iterable[Path], *, as_json: bool) -> None:
    """Show a command's result: all of it as JSON, or in sentences, with the files that hold the rest."""
    if as_json:
        out.print_json(json.dumps(result))
        return
    for sentence in sentences:
        out.print(f"- {sentence}", soft_wrap=True, markup=False)
    out.print("\nWritten: " + ", ".join(map(str, files)), soft_wrap=True, markup=False)


def show_report(result: dict[str, Any], folder: Path, *, everything: bool) -> None:
    """Show what an audit found: the short of it, or everything.

    Args:
        result: the report's JSON.
        folder: the run's.
        everything: show every table.
    """
    from harness.report import Report, details, summary

    report, page = Report.from_json(result), folder / "report.html"
    out.print(details(report, files=(page,)) if everything else summary(report, files=(page,)))


def exposed(answers: Answers | None, top_k: int | None) -> dict[str, object]:
    """The keys of `[attack]` that the options set.

    Raises:
        UsageError: a number of classes is given and not that the app shows so many.
    """
    if top_k is not None and answers != "top-k":
        raise UsageError(f"--top-k {top_k}: says how many classes the app shows", hint="add --answers top-k")
    return {key: value for key, value in (("answers", answers), ("top_k", top_k)) if value is not None}


def one_device(device: str | None) -> str:
    """The device that a verb asks: an agent of this computer's own unless one is named. An empty name is none.

    Raises:
        UsageError: the name has no known form; nothing is contacted.
    """
    from harness.devices import check_url

    url = "local" if device is None else device
    check_url(url)
    return url


def configure(
    source: Path,
    *,
    devices: Sequence[str] | None = None,
    mode: PoolMode | None = None,
    seed: int | None = None,
    null: bool = False,
) -> AuditConfig:
    """The configuration in a file, or that of answers from anywhere, with what the options replace."""
    from harness.config import load
    from harness.subject.draft import Draft, holds_answers

    config = Draft(artifacts={}, answers=source).config() if holds_answers(source) else load(source)
    return with_options(config, devices=devices, mode=mode, seed=seed, null=null)


def with_options(
    config: AuditConfig,
    *,
    devices: Sequence[str] | None,
    mode: PoolMode | None,
    seed: int | None,
    null: bool,
) -> AuditConfig:
    """The configuration with what the options replace; `all` devices become those that are there.

    Raises:
        UsageError: a null twin is asked of an audit that trains nothing, or the devices do not go together.
    """
    if null and config.kind != "trained":
        raise UsageError("--null: only an audit that trains its models has a null twin", hint="leave it out")
    changes: dict[str, object] = {"device": _devices(config, devices, mode)}
    if seed is not None:
        changes["seed"] = seed
    if null:
        changes["null"] = True
    return config.with_changes(**changes)


def with_policy(config: AuditConfig, policy: Path | None) -> AuditConfig:
    """The configuration with the policy of a file, or of a preset's name, where one is given.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    if policy is None:
        return config
    from harness.config import PRESETS, GateConfig, load_policy, validate

    if str(policy) in PRESETS and not policy.exists():
        return config.with_changes(gate=validate(GateConfig, {"preset": str(policy)}, source="--policy"))
    return config.with_changes(gate=load_policy(policy))


def _devices(config: AuditConfig, given: Sequence[str] | None, mode: PoolMode | None) -> DeviceConfig:
    before = config.device
    named = tuple(given or before.names)
    several = before.urls is not None if not given else len(named) > 1
    # gRPC takes a while to load, and nobody needs it for one device by its name.
    if ALL_DEVICES in named:
        from harness.devices.pool import expanded

        named, several = expanded(named), True
    if not several:
        if mode is not None:
            raise UsageError(f"--mode {mode}: there is one device", hint="repeat --device, or leave it out")
        return before.model_copy(update={"url": named[0], "urls": None, "mode": "replicate"})
    table: dict[str, object] = {"urls": named, "mode": mode or before.mode, "timeouts": before.timeouts.given()}
    from harness.config import DeviceConfig, validate

    return validate(DeviceConfig, table, source="--device" if given else "[device]")


def folder_of(chosen: Path | None, config: AuditConfig) -> Path:
    """The run folder: the chosen one, or one of the audit's name."""
    return chosen or Path("runs") / (config.name + ("-null" if config.null else ""))


def say(error: EdgeleakError) -> int:
    """Show a failure on one line; the exit code that it stands for."""
    err.print(f"edgeleak: {error}", markup=False, soft_wrap=True)
    return error.exit_code
