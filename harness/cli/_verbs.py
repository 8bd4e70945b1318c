"""The verbs by section, and the group that loads a verb's module when the verb is asked for.

To add a verb: write `@app.command()` in a module of this folder, with `app` from `harness.cli._app`, and add a row to
:data:`SECTIONS`, whose help is the first sentence of the verb's own. Nothing else imports the module. At its top it
imports what the options need, and nothing that takes long to load: no numpy, no pydantic (`harness.config`), no room
that imports them; those are imported inside the verb's function.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["SECTIONS", "VERBS", "Verb", "VerbGroup"]


@dataclass(frozen=True)
class Verb:
    """One verb, named and not imported.

    Args:
        help: one sentence, as help lists it.
        modules: those of this folder that make it.
    """

    help: str
    modules: tuple[str, ...]


# In the order in which help lists them.
SECTIONS: dict[str, dict[str, Verb]] = {
    "Audit a release": {
        "init": Verb(
            "Write a commented audit.toml: of files and records that are given, or of the bundled example.", ("_init",)
        ),
        "audit": Verb(
            "Do a whole audit and judge it: of a network that is trained here, of files that ship, or of answers.",
            ("_audits",),
        ),
        "gate": Verb("Hold the results against the policy; the exit code is the verdict.", ("_judging",)),
        "report": Verb("Write the report: page, JSON, JUnit, SARIF, Markdown and CSV.", ("_judging",)),
        "plan": Verb(
            "Say which variants may be released together: what an adversary learns who holds any set of them.",
            ("_plan",),
        ),
        "compare": Verb(
            "Compare two finished audits: what leaks more or less in the second, and how its files changed.",
            ("_compare",),
        ),
        "runs": Verb("The runs of a project: list them, prune old ones, show their trend, log them.", ("_runs",)),
        "demo": Verb("Audit the bundled example, examples/digits.toml.", ("_audits",)),
    },
    "Stages of an audit, one by one": {
        "train": Verb("Train the target and its shadow models, and compress them.", ("_stages",)),
        "export": Verb("Export every variant of every model for every runtime.", ("_stages",)),
        "collect": Verb("Deploy the files and collect their confidence vectors through the agent.", ("_stages",)),
        "bench": Verb("Measure the files' latency on the device.", ("_stages",)),
        "attack": Verb("Run the NR, SR and MR attacks on what was collected.", ("_arrays",)),
        "mis": Verb(
            "Predict what quantizers leak, and which is safer (MIS), on the device or from losses.", ("_arrays",)
        ),
    },
    "Devices": {
        "devices": Verb(
            "List the devices that this host can name: adb's, emulated phones, paired boards, and this computer.",
            ("_devices",),
        ),
        "agent": Verb(
            "The agent on phones and boards: install it, or pair this host with one on a network.",
            ("_agent", "_agent_remote"),
        ),
        "bundle": Verb(
            "Make the agent's bundle for a device: a folder with its own Python that needs no root there.", ("_bundle",)
        ),
        "emulator": Verb("An emulated ARM64 phone on this computer, reached over adb.", ("_emulator",)),
        "profile": Verb(
            "Show where an ExecuTorch program's time goes on a device, operator by operator, by its agent's shim.",
            ("_profile",),
        ),
        "doctor": Verb("Check this machine: interpreter, packages, runtimes, a real agent, adb, disk.", ("_machine",)),
    },
    "Data and studies": {
        "fetch": Verb(
            "Download a data set from where it is published, checked against its known SHA-256.", ("_models",)
        ),
        "query": Verb("Ask models that exist already about records, on a device; `attack` comes next.", ("_models",)),
        "keras": Verb(
            "Convert a Keras model with TensorFlow's converter in its six modes; `query` and `attack` come next.",
            ("_models",),
        ),
        "records": Verb(
            "Show which members stand out most: each with the share of non-members that score at least as high.",
            ("_records",),
        ),
        "calibrate": Verb(
            "Pool finished runs: do their intervals miss AUC 0.5 more often than chance allows? Null twins must not.",
            ("_machine",),
        ),
        "schema": Verb("Print the JSON Schema of audit.toml, policy.toml or a JSON output, for editors.", ("_schema",)),
    },
}
# Options of the root that may also stand behind a verb.
EVERYWHERE = frozenset({"no_color"})
VERBS: dict[str, Verb] = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}


class _Commands(MutableMapping[str, Any]):
    """Name -> command; a command's module is imported when the command is first asked for.

    Args:
        made: the commands whose modules are imported already.
        everywhere: options of the root that every command takes too.
    """

    def __init__(self, made: MutableMapping[str, Any], everywhere: Sequence[Any]) -> None:
        self.made = dict(made)
        for command in self.made.values():
            for one in (command, *getattr(command, "commands", {}).values()):
                one.params += everywhere

    def __getitem__(self, name: str) -> Any:
        if name not in self.made and name in VERBS:
            # Here, because the application has this module's group.
            from harness.cli._app import app

            for module in VERBS[name].modules:
                import_module(f"harness.cli.{module}")
            self.made |= typer.main.get_group(app).commands.made  # type: ignore[attr-defined]
        return self.made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.made[name] = command

    def __delitem__(self, name: str) -> None:
        del self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class VerbGroup(TyperGroup):
    """The verbs of `edgeleak`: help lists them by section without loading them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(self.commands, [one for one in self.params if one.name in EVERYWHERE])

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's own signature
        """Write the names and one-line helps by section."""
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, verb.help) for name, verb in verbs.items()])
