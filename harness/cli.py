"""The command line: verbs, no logic. Progress goes to stderr, results to stdout.

Exit codes: 0 pass, 1 gate failed, 2 inconclusive, 3 internal or device error, 4 usage or configuration.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from harness import __version__, doctor
from harness.arrays import attack_file, mis_file
from harness.audit import STAGES, Tools, audit_all, check, run_stage
from harness.config import AuditConfig, load
from harness.console import ProgressView
from harness.errors import ConfigError, EdgeleakError, InterruptedRunError, StorageError, UsageError
from harness.gate import Verdict, exit_code, judge_pooled
from harness.report import findings, summary
from harness.run import Run
from harness.stages.calibrate import pool

__all__ = ["main"]

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
# A disk that is full, over quota, read-only or not ours.
STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS})
# What typer makes of KeyboardInterrupt; it never reaches the shell.
INTERRUPTED = 130


@app.command(epilog="Example: edgeleak audit examples/digits.toml --device grpc://127.0.0.1:50051")
def audit(
    config: ConfigArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
) -> None:
    """Do the whole audit and judge it: train, export, collect, bench, attack, mis, gate, report."""
    _audit(_configure(config, device=device, seed=seed, null=null), run, as_json=as_json, fresh=fresh, quiet=quiet)


@app.command(epilog="Example: edgeleak demo --json > demo.json")
def demo(
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    fresh: FreshOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit the bundled example: `edgeleak audit examples/digits.toml`, and nothing more."""
    with resources.as_file(_example()) as path:
        _audit(_configure(path, device=device, seed=seed, null=null), run, as_json=as_json, fresh=fresh, quiet=quiet)


def _stage_command(stage: str, purpose: str) -> Callable[..., None]:
    def command(
        config: ConfigArgument = DEFAULT_CONFIG,
        run: RunOption = None,
        device: DeviceOption = None,
        seed: SeedOption = None,
        null: NullOption = False,
        as_json: JsonOption = False,
        quiet: QuietOption = False,
    ) -> None:
        _stage(stage, _configure(config, device=device, seed=seed, null=null), run, as_json=as_json, quiet=quiet)

    command.__doc__ = purpose
    return command


for _name, (_, _purpose) in STAGES.items():
    if _name not in ("attack", "mis"):  # these two also take arrays
        app.command(name=_name, help=_purpose, epilog=f"Example: edgeleak {_name} examples/digits.toml")(
            _stage_command(_name, _purpose)
        )


@app.command(
    help=STAGES["attack"][1], epilog="Examples: edgeleak attack audit.toml; edgeleak attack answers.npz --json"
)
def attack(
    source: SourceArgument = DEFAULT_CONFIG,
    run: RunOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    names: Annotated[
        list[str] | None,
        typer.Option("--attack", help="For arrays: an attack to run; may be repeated.", metavar="NAME"),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Attack a run's answers, or confidence arrays from anywhere."""
    if source.suffix != ".npz":
        config = _configure(source, device=None, seed=seed, null=null)
        return _stage("attack", config, run, as_json=as_json, quiet=quiet)
    with ProgressView(err, quiet=quiet) as view:
        found = attack_file(source, names=names, seed=seed or 0, progress=view)
    _print(found, as_json=as_json, shown={"attacks": found, "null_calibration": found["null_calibration"]})
    return None


@app.command(help=STAGES["mis"][1], epilog="Examples: edgeleak mis audit.toml; edgeleak mis losses.npz --n 50000")
def mis(
    source: SourceArgument = DEFAULT_CONFIG,
    n: Annotated[int | None, typer.Option("--n", help="For arrays: size of the training set.", min=2)] = None,
    run: RunOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    null: NullOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Estimate the MIS indicator of a run's quantizers, or of loss matrices from anywhere."""
    if source.suffix != ".npz":
        config = _configure(source, device=device, seed=seed, null=null)
        return _stage("mis", config, run, as_json=as_json, quiet=quiet)
    if n is None:
        raise UsageError(f"{source}: the size of the training set is missing", hint="add --n, e.g. --n 50000")
    found = mis_file(source, n=n, seed=seed or 0)
    _print(found, as_json=as_json, shown={"mis": found})
    return None


@app.command(epilog="Example: edgeleak study examples/cifar10.toml --out docs/study-cifar10.md")
def study(
    config: ConfigArgument = DEFAULT_CONFIG,
    run: Annotated[
        Path | None, typer.Option("--run", help="Folder of its runs; default runs/NAME-study.", metavar="DIR")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="The page; default docs/study-NAME.md.", metavar="FILE.md")
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Repeat an audit over seeds with its controls and null twins, compare NR, SR and MR, and write a page."""
    from harness.study import answers, conduct  # its pictures need matplotlib, which nothing else should wait for

    audited = _configure(config, device=device, seed=None, null=False)
    place = run or Path("runs") / f"{audited.name}-study"
    page = to or Path("docs") / f"study-{audited.name}.md"
    with ProgressView(err, quiet=quiet) as view:
        found, files = conduct(audited, place, out=page, source=str(config), progress=view)
    _tell(found, answers(found), files, as_json=as_json)


mis_studies = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Studies of the MIS indicator, each with a page of its own."
)
app.add_typer(mis_studies, name="mis-study")
StudyRunOption = Annotated[
    Path | None, typer.Option("--run", help="Folder of finished parts; default runs/mis-STUDY.", metavar="DIR")
]
PageOption = Annotated[
    Path | None, typer.Option("--out", help="The page; default docs/mis-STUDY.md.", metavar="FILE.md")
]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; default one a core.", metavar="N")]


@mis_studies.command(epilog="Example: edgeleak mis-study synthetic --out docs/mis-synthetic.md")
def synthetic(
    run: StudyRunOption = None,
    to: PageOption = None,
    seed: SeedOption = None,
    jobs: JobsOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="A look only: too small to conclude from.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Hold the indicator and its predictions against laws whose true leakage is known."""
    from harness.mis_study import _synthetic
    from harness.mis_study._synthetic_page import sentences

    make = _synthetic.Settings.quick if quick else _synthetic.Settings
    settings = make(seed=1 if seed is None else seed)
    place, page = run or Path("runs/mis-synthetic"), to or Path("docs/mis-synthetic.md")
    with ProgressView(err, quiet=quiet) as view:
        found, files = _synthetic.conduct(place, out=page, settings=settings, jobs=jobs, progress=view)
    _tell(found, sentences(found), files, as_json=as_json)


@app.command(name="doctor", epilog="Example: edgeleak doctor --json")
def doctor_command(as_json: JsonOption = False) -> None:
    """Check this machine: interpreter, packages, runtimes, a real agent, disk."""
    checks = doctor.examine()
    if as_json:
        out.print_json(json.dumps([check.to_json() for check in checks]))
    else:
        out.print(doctor.table(checks))
    raise typer.Exit(0 if all(check.ok for check in checks) else 3)


@app.command(epilog="Example: edgeleak calibrate runs/digits-null-1 runs/digits-null-2 runs/digits-null-3")
def calibrate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, one per seed.")],
    as_json: JsonOption = False,
) -> None:
    """Pool finished runs: do their intervals miss AUC 0.5 more often than chance allows? Null twins must not."""
    pooled, rows = pool(runs)
    verdict = judge_pooled(pooled.to_json())
    if as_json:
        out.print_json(json.dumps({"pooled": pooled.to_json(), "runs": rows, "gate": verdict.to_json()}))
    else:
        for row in rows:
            out.print(f"{row['run']}: {row['miss_share']:.1%} of {row['attacks']} miss 0.5", soft_wrap=True)
        out.print(f"{verdict.outcome}: {verdict.rules[0].reason}", soft_wrap=True)
    raise typer.Exit(exit_code(verdict))


@app.command(epilog="Example: edgeleak init my-audit.toml")
def init(path: Annotated[Path, typer.Argument(metavar="AUDIT.toml")] = DEFAULT_CONFIG) -> None:
    """Write a commented audit.toml to start from."""
    if path.exists():
        raise UsageError(f"{path}: exists already", hint="give another name, or delete it")
    try:
        path.write_text(_example().read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
    out.print(f"wrote {path}; next: edgeleak audit {path}", soft_wrap=True)


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


def main() -> NoReturn:
    """Run the command line; every foreseen failure becomes one message and its documented exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
    except EdgeleakError as error:
        sys.exit(_say(error))
    except TyperException as error:
        sys.exit(_say(UsageError(error.format_message(), hint="see edgeleak -h")))
    except KeyboardInterrupt:  # outside what typer watches over
        code = INTERRUPTED
    except OSError as error:
        if error.errno not in STORAGE_ERRORS:
            raise
        place = error.filename or "run folder"
        sys.exit(
            _say(
                StorageError(
                    f"{place}: {error.strerror}",
                    hint="make room, or give another place with --run; the same command resumes",
                )
            )
        )
    if code == INTERRUPTED:
        sys.exit(_say(InterruptedRunError("interrupted", hint="the same command resumes; finished work is kept")))
    sys.exit(code if isinstance(code, int) else 0)


def _audit(config: AuditConfig, folder: Path | None, *, as_json: bool, fresh: bool, quiet: bool) -> None:
    place = _folder(folder, config)
    if fresh:
        Run.delete(place)
    with (
        Run.open(place, config) as run,
        ProgressView(err, quiet=quiet) as view,
        Tools(view, config.device.url) as tools,
    ):
        report, verdict = audit_all(config, run, tools)
    if as_json:
        out.print_json(json.dumps(report))
    else:
        out.print(summary(report, files=(place / "report.json", place / "report.html")))
    raise typer.Exit(exit_code(verdict))


def _stage(stage: str, config: AuditConfig, folder: Path | None, *, as_json: bool, quiet: bool) -> None:
    with (
        Run.open(_folder(folder, config), config) as run,
        ProgressView(err, quiet=quiet) as view,
        Tools(view, config.device.url) as tools,
    ):
        result = run_stage(stage, config, run, tools)
    if as_json:
        out.print_json(json.dumps(result))
    else:
        out.print(f"{stage}: done, in {run.folder}", soft_wrap=True)
    if stage == "gate":
        raise typer.Exit(exit_code(Verdict.from_json(result)))


def _tell(found: dict[str, Any], sentences: Iterable[str], files: Iterable[Path], *, as_json: bool) -> None:
    """What a study found, in sentences, and where it wrote the rest."""
    if as_json:
        out.print_json(json.dumps(found))
        return
    for sentence in sentences:
        out.print(f"- {sentence}", soft_wrap=True)
    out.print("\nWritten: " + ", ".join(map(str, files)), soft_wrap=True)


def _print(found: dict[str, Any], *, as_json: bool, shown: dict[str, Any]) -> None:
    if as_json:
        out.print_json(json.dumps(found))
    else:
        out.print(findings(shown))


def _configure(path: Path, *, device: str | None, seed: int | None, null: bool) -> AuditConfig:
    config = load(path)
    if device is not None:
        config = config.with_changes(device=config.device.model_copy(update={"url": device}))
    if seed is not None:
        config = config.with_changes(seed=seed)
    config = config.with_changes(null=True) if null else config
    check(config)
    return config


def _folder(chosen: Path | None, config: AuditConfig) -> Path:
    return chosen or Path("runs") / (config.name + ("-null" if config.null else ""))


def _example() -> Any:
    """The bundled example: beside the package in a checkout, inside it when installed."""
    inside = resources.files("harness") / "examples" / "digits.toml"
    return inside if inside.is_file() else Path(__file__).parent.parent / "examples" / "digits.toml"


def _say(error: EdgeleakError) -> int:
    err.print(f"edgeleak: {error}", markup=False, soft_wrap=True)
    return error.exit_code
