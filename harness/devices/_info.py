"""What a device says about itself: its state, its board, what confines its models, and who holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["Board", "DeviceInfo", "Lease", "Sandbox", "Telemetry"]


@dataclass(frozen=True)
class Telemetry:
    """The board's state at one moment; None where it does not report.

    Args:
        time_unix_ns: wall clock of the device.
        temperature_celsius: of the hottest zone.
        cpu_frequency_hz: of the fastest core.
        cpu_governor: scaling governor of the first core.
        memory_available_bytes: as the kernel estimates it.
        worker_resident_bytes: of the process that owns the interpreters.
        worker_peak_bytes: most memory that this process held at once since the benchmark began.
        battery_level: from 0 to 1.
        battery_temperature_celsius: of the battery, which a phone shows where it hides its other sensors.
        battery_charging: whether the battery is being charged, which heats it.
    """

    time_unix_ns: int
    temperature_celsius: float | None = None
    cpu_frequency_hz: int | None = None
    cpu_governor: str | None = None
    memory_available_bytes: int | None = None
    worker_resident_bytes: int | None = None
    worker_peak_bytes: int | None = None
    battery_level: float | None = None
    battery_temperature_celsius: float | None = None
    battery_charging: bool | None = None


@dataclass(frozen=True)
class Sandbox:
    """What confines the process that runs the models, as the agent says. Escape its strings before display.

    Args:
        no_new_privileges: neither that process nor a child of it can gain rights.
        landlock_abi: version of the kernel's Landlock by which files are confined; 0 where there is none.
        system_calls_filtered: sockets, new programs and signals to other processes are refused.
        memory_limit_bytes: limit on that process's memory; 0 where there is none.
        missing: what the device's kernel lacks, one sentence each.
    """

    no_new_privileges: bool
    landlock_abi: int
    system_calls_filtered: bool
    memory_limit_bytes: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """Who has reserved the device. The holder's name comes from an untrusted agent: escape it before display.

    Args:
        holder: as the session that holds it calls itself.
        remaining_s: seconds until it ends, unless it is prolonged.
    """

    holder: str
    remaining_s: float


@dataclass(frozen=True)
class Board:
    """What a device is beyond its processor, as the agent says; None where it does not. Escape before display.

    Args:
        model: manufacturer and model as sold.
        soc: system on a chip.
        os_build: build of the operating system as a user can look it up.
        abi: application binary interface of programs.
        core_max_frequencies_hz: highest frequency of each core, in the order of their numbers; empty where unknown.
    """

    model: str | None = None
    soc: str | None = None
    os_build: str | None = None
    abi: str | None = None
    core_max_frequencies_hz: tuple[int, ...] = ()


@dataclass(frozen=True)
class DeviceInfo:
    """What a device says about itself. Its strings come from an untrusted agent: escape them before display.

    Args:
        url: the device as the user named it.
        agent_version: version of the agent's distribution.
        pid: the agent's process id on the device.
        runtimes: runtime -> package and version that provides it there.
        emulated: latency there says nothing about a phone.
        sandbox: what confines the process that runs the models; None where the agent does not say.
        max_threads: most threads that an interpreter may have there; None where the agent does not say.
        lease: the present lease; None where the device is free.
        board: what the device is beyond its processor; None where the agent does not say.
        delegates: runtime -> what runs parts of a file in the place of the runtime's own kernels.
    """

    url: str
    agent_version: str
    pid: int
    hostname: str
    operating_system: str
    machine: str
    cpu_model: str
    cpu_count: int
    memory_total_bytes: int
    runtimes: Mapping[str, str]
    emulated: bool
    telemetry: Telemetry
    max_message_bytes: int
    max_store_bytes: int
    sandbox: Sandbox | None = None
    max_threads: int | None = None
    lease: Lease | None = None
    board: Board | None = None
    delegates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """A JSON object."""
        row = asdict(self)
        if self.sandbox is not None:
            row["sandbox"]["missing"] = list(self.sandbox.missing)
        if self.board is not None:
            row["board"]["core_max_frequencies_hz"] = list(self.board.core_max_frequencies_hz)
        row["delegates"] = {runtime: list(names) for runtime, names in self.delegates.items()}
        return row
