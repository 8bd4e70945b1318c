from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Runtime(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNTIME_UNSPECIFIED: _ClassVar[Runtime]
    RUNTIME_LITERT: _ClassVar[Runtime]
    RUNTIME_EXECUTORCH: _ClassVar[Runtime]
    RUNTIME_PYTORCH_MOBILE: _ClassVar[Runtime]
    RUNTIME_ONNX: _ClassVar[Runtime]

class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_TYPE_UNSPECIFIED: _ClassVar[DataType]
    DATA_TYPE_FLOAT32: _ClassVar[DataType]
    DATA_TYPE_INT32: _ClassVar[DataType]
    DATA_TYPE_INT64: _ClassVar[DataType]
    DATA_TYPE_INT8: _ClassVar[DataType]
    DATA_TYPE_UINT8: _ClassVar[DataType]
    DATA_TYPE_FLOAT16: _ClassVar[DataType]
    DATA_TYPE_FLOAT64: _ClassVar[DataType]
    DATA_TYPE_INT16: _ClassVar[DataType]
    DATA_TYPE_BOOL: _ClassVar[DataType]
RUNTIME_UNSPECIFIED: Runtime
RUNTIME_LITERT: Runtime
RUNTIME_EXECUTORCH: Runtime
RUNTIME_PYTORCH_MOBILE: Runtime
RUNTIME_ONNX: Runtime
DATA_TYPE_UNSPECIFIED: DataType
DATA_TYPE_FLOAT32: DataType
DATA_TYPE_INT32: DataType
DATA_TYPE_INT64: DataType
DATA_TYPE_INT8: DataType
DATA_TYPE_UINT8: DataType
DATA_TYPE_FLOAT16: DataType
DATA_TYPE_FLOAT64: DataType
DATA_TYPE_INT16: DataType
DATA_TYPE_BOOL: DataType

class Tensor(_message.Message):
    __slots__ = ("name", "data_type", "shape", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    data_type: DataType
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, name: _Optional[str] = ..., data_type: _Optional[_Union[DataType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class RuntimeInfo(_message.Message):
    __slots__ = ("runtime", "provider", "delegates")
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DELEGATES_FIELD_NUMBER: _ClassVar[int]
    runtime: Runtime
    provider: str
    delegates: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, runtime: _Optional[_Union[Runtime, str]] = ..., provider: _Optional[str] = ..., delegates: _Optional[_Iterable[str]] = ...) -> None: ...

class Telemetry(_message.Message):
    __slots__ = ("time_unix_ns", "temperature_celsius", "cpu_frequency_hz", "cpu_governor", "memory_available_bytes", "worker_resident_bytes", "worker_peak_bytes", "battery_level", "battery_temperature_celsius", "battery_charging")
    TIME_UNIX_NS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    CPU_FREQUENCY_HZ_FIELD_NUMBER: _ClassVar[int]
    CPU_GOVERNOR_FIELD_NUMBER: _ClassVar[int]
    MEMORY_AVAILABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKER_RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    WORKER_PEAK_BYTES_FIELD_NUMBER: _ClassVar[int]
    BATTERY_LEVEL_FIELD_NUMBER: _ClassVar[int]
    BATTERY_TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    BATTERY_CHARGING_FIELD_NUMBER: _ClassVar[int]
    time_unix_ns: int
    temperature_celsius: float
    cpu_frequency_hz: int
    cpu_governor: str
    memory_available_bytes: int
    worker_resident_bytes: int
    worker_peak_bytes: int
    battery_level: float
    battery_temperature_celsius: float
    battery_charging: bool
    def __init__(self, time_unix_ns: _Optional[int] = ..., temperature_celsius: _Optional[float] = ..., cpu_frequency_hz: _Optional[int] = ..., cpu_governor: _Optional[str] = ..., memory_available_bytes: _Optional[int] = ..., worker_resident_bytes: _Optional[int] = ..., worker_peak_bytes: _Optional[int] = ..., battery_level: _Optional[float] = ..., battery_temperature_celsius: _Optional[float] = ..., battery_charging: _Optional[bool] = ...) -> None: ...

class Board(_message.Message):
    __slots__ = ("model", "soc", "os_build", "abi", "core_max_frequencies_hz")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOC_FIELD_NUMBER: _ClassVar[int]
    OS_BUILD_FIELD_NUMBER: _ClassVar[int]
    ABI_FIELD_NUMBER: _ClassVar[int]
    CORE_MAX_FREQUENCIES_HZ_FIELD_NUMBER: _ClassVar[int]
    model: str
    soc: str
    os_build: str
    abi: str
    core_max_frequencies_hz: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, model: _Optional[str] = ..., soc: _Optional[str] = ..., os_build: _Optional[str] = ..., abi: _Optional[str] = ..., core_max_frequencies_hz: _Optional[_Iterable[int]] = ...) -> None: ...

class Sandbox(_message.Message):
    __slots__ = ("no_new_privileges", "landlock_abi", "system_calls_filtered", "memory_limit_bytes", "missing")
    NO_NEW_PRIVILEGES_FIELD_NUMBER: _ClassVar[int]
    LANDLOCK_ABI_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_CALLS_FILTERED_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    no_new_privileges: bool
    landlock_abi: int
    system_calls_filtered: bool
    memory_limit_bytes: int
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, no_new_privileges: _Optional[bool] = ..., landlock_abi: _Optional[int] = ..., system_calls_filtered: _Optional[bool] = ..., memory_limit_bytes: _Optional[int] = ..., missing: _Optional[_Iterable[str]] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("holder", "remaining_ns")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REMAINING_NS_FIELD_NUMBER: _ClassVar[int]
    holder: str
    remaining_ns: int
    def __init__(self, holder: _Optional[str] = ..., remaining_ns: _Optional[int] = ...) -> None: ...

class GetDeviceInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetDeviceInfoResponse(_message.Message):
    __slots__ = ("protocol_version", "agent_version", "pid", "hostname", "operating_system", "machine", "cpu_model", "cpu_count", "memory_total_bytes", "runtimes", "emulated", "telemetry", "max_message_bytes", "max_store_bytes", "sandbox", "max_threads", "lease", "board")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    OPERATING_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    CPU_MODEL_FIELD_NUMBER: _ClassVar[int]
    CPU_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNTIMES_FIELD_NUMBER: _ClassVar[int]
    EMULATED_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_FIELD_NUMBER: _ClassVar[int]
    MAX_THREADS_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    BOARD_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    agent_version: str
    pid: int
    hostname: str
    operating_system: str
    machine: str
    cpu_model: str
    cpu_count: int
    memory_total_bytes: int
    runtimes: _containers.RepeatedCompositeFieldContainer[RuntimeInfo]
    emulated: bool
    telemetry: Telemetry
    max_message_bytes: int
    max_store_bytes: int
    sandbox: Sandbox
    max_threads: int
    lease: Lease
    board: Board
    def __init__(self, protocol_version: _Optional[int] = ..., agent_version: _Optional[str] = ..., pid: _Optional[int] = ..., hostname: _Optional[str] = ..., operating_system: _Optional[str] = ..., machine: _Optional[str] = ..., cpu_model: _Optional[str] = ..., cpu_count: _Optional[int] = ..., memory_total_bytes: _Optional[int] = ..., runtimes: _Optional[_Iterable[_Union[RuntimeInfo, _Mapping]]] = ..., emulated: _Optional[bool] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ..., max_message_bytes: _Optional[int] = ..., max_store_bytes: _Optional[int] = ..., sandbox: _Optional[_Union[Sandbox, _Mapping]] = ..., max_threads: _Optional[int] = ..., lease: _Optional[_Union[Lease, _Mapping]] = ..., board: _Optional[_Union[Board, _Mapping]] = ...) -> None: ...

class QueryArtifactRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class QueryArtifactResponse(_message.Message):
    __slots__ = ("held_bytes", "complete")
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    held_bytes: int
    complete: bool
    def __init__(self, held_bytes: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("sha256", "size_bytes", "runtime", "offset_bytes")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_BYTES_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size_bytes: int
    runtime: Runtime
    offset_bytes: int
    def __init__(self, sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., runtime: _Optional[_Union[Runtime, str]] = ..., offset_bytes: _Optional[int] = ...) -> None: ...

class UploadArtifactRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadArtifactResponse(_message.Message):
    __slots__ = ("sha256", "size_bytes")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size_bytes: int
    def __init__(self, sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StoredArtifact(_message.Message):
    __slots__ = ("sha256", "size_bytes", "runtime")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    size_bytes: int
    runtime: Runtime
    def __init__(self, sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., runtime: _Optional[_Union[Runtime, str]] = ...) -> None: ...

class ListArtifactsResponse(_message.Message):
    __slots__ = ("artifacts",)
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[StoredArtifact]
    def __init__(self, artifacts: _Optional[_Iterable[_Union[StoredArtifact, _Mapping]]] = ...) -> None: ...

class DeleteArtifactRequest(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    def __init__(self, sha256: _Optional[str] = ...) -> None: ...

class DeleteArtifactResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: _Optional[bool] = ...) -> None: ...

class DescribeArtifactRequest(_message.Message):
    __slots__ = ("sha256", "threads")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    threads: int
    def __init__(self, sha256: _Optional[str] = ..., threads: _Optional[int] = ...) -> None: ...

class TensorInfo(_message.Message):
    __slots__ = ("names", "data_type", "shape", "scale", "zero_point")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ZERO_POINT_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    data_type: DataType
    shape: _containers.RepeatedScalarFieldContainer[int]
    scale: float
    zero_point: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., data_type: _Optional[_Union[DataType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., scale: _Optional[float] = ..., zero_point: _Optional[int] = ...) -> None: ...

class DescribeArtifactResponse(_message.Message):
    __slots__ = ("inputs", "inputs_known", "outputs", "outputs_known", "batch_size_max")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_KNOWN_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_MAX_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorInfo]
    inputs_known: bool
    outputs: _containers.RepeatedCompositeFieldContainer[TensorInfo]
    outputs_known: bool
    batch_size_max: int
    def __init__(self, inputs: _Optional[_Iterable[_Union[TensorInfo, _Mapping]]] = ..., inputs_known: _Optional[bool] = ..., outputs: _Optional[_Iterable[_Union[TensorInfo, _Mapping]]] = ..., outputs_known: _Optional[bool] = ..., batch_size_max: _Optional[int] = ...) -> None: ...

class AcquireLeaseRequest(_message.Message):
    __slots__ = ("lease_id", "holder", "duration_ns")
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    lease_id: str
    holder: str
    duration_ns: int
    def __init__(self, lease_id: _Optional[str] = ..., holder: _Optional[str] = ..., duration_ns: _Optional[int] = ...) -> None: ...

class AcquireLeaseResponse(_message.Message):
    __slots__ = ("remaining_ns",)
    REMAINING_NS_FIELD_NUMBER: _ClassVar[int]
    remaining_ns: int
    def __init__(self, remaining_ns: _Optional[int] = ...) -> None: ...

class ReleaseLeaseRequest(_message.Message):
    __slots__ = ("lease_id",)
    LEASE_ID_FIELD_NUMBER: _ClassVar[int]
    lease_id: str
    def __init__(self, lease_id: _Optional[str] = ...) -> None: ...

class ReleaseLeaseResponse(_message.Message):
    __slots__ = ("released",)
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    released: bool
    def __init__(self, released: _Optional[bool] = ...) -> None: ...

class InvokeHeader(_message.Message):
    __slots__ = ("sha256s", "threads")
    SHA256S_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    sha256s: _containers.RepeatedScalarFieldContainer[str]
    threads: int
    def __init__(self, sha256s: _Optional[_Iterable[str]] = ..., threads: _Optional[int] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("number", "inputs")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    number: int
    inputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, number: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class InvokeRequest(_message.Message):
    __slots__ = ("header", "batches", "crc32")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    header: InvokeHeader
    batches: _containers.RepeatedCompositeFieldContainer[Batch]
    crc32: int
    def __init__(self, header: _Optional[_Union[InvokeHeader, _Mapping]] = ..., batches: _Optional[_Iterable[_Union[Batch, _Mapping]]] = ..., crc32: _Optional[int] = ...) -> None: ...

class ArtifactAnswer(_message.Message):
    __slots__ = ("sha256", "outputs", "kernel_time_ns")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    KERNEL_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    kernel_time_ns: int
    def __init__(self, sha256: _Optional[str] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., kernel_time_ns: _Optional[int] = ...) -> None: ...

class BatchAnswer(_message.Message):
    __slots__ = ("number", "answers")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    number: int
    answers: _containers.RepeatedCompositeFieldContainer[ArtifactAnswer]
    def __init__(self, number: _Optional[int] = ..., answers: _Optional[_Iterable[_Union[ArtifactAnswer, _Mapping]]] = ...) -> None: ...

class Waiting(_message.Message):
    __slots__ = ("holder", "remaining_ns")
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REMAINING_NS_FIELD_NUMBER: _ClassVar[int]
    holder: str
    remaining_ns: int
    def __init__(self, holder: _Optional[str] = ..., remaining_ns: _Optional[int] = ...) -> None: ...

class InvokeResponse(_message.Message):
    __slots__ = ("batches", "waiting", "crc32")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[BatchAnswer]
    waiting: Waiting
    crc32: int
    def __init__(self, batches: _Optional[_Iterable[_Union[BatchAnswer, _Mapping]]] = ..., waiting: _Optional[_Union[Waiting, _Mapping]] = ..., crc32: _Optional[int] = ...) -> None: ...

class BenchmarkRequest(_message.Message):
    __slots__ = ("sha256", "warmup_runs", "runs", "batch_size", "threads", "cooldown_ns", "warmup_ns", "duration_ns", "cold", "profile")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WARMUP_RUNS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    COOLDOWN_NS_FIELD_NUMBER: _ClassVar[int]
    WARMUP_NS_FIELD_NUMBER: _ClassVar[int]
    DURATION_NS_FIELD_NUMBER: _ClassVar[int]
    COLD_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    warmup_runs: int
    runs: int
    batch_size: int
    threads: int
    cooldown_ns: int
    warmup_ns: int
    duration_ns: int
    cold: bool
    profile: bool
    def __init__(self, sha256: _Optional[str] = ..., warmup_runs: _Optional[int] = ..., runs: _Optional[int] = ..., batch_size: _Optional[int] = ..., threads: _Optional[int] = ..., cooldown_ns: _Optional[int] = ..., warmup_ns: _Optional[int] = ..., duration_ns: _Optional[int] = ..., cold: _Optional[bool] = ..., profile: _Optional[bool] = ...) -> None: ...

class ColdStart(_message.Message):
    __slots__ = ("load_ns", "first_inference_ns")
    LOAD_NS_FIELD_NUMBER: _ClassVar[int]
    FIRST_INFERENCE_NS_FIELD_NUMBER: _ClassVar[int]
    load_ns: int
    first_inference_ns: int
    def __init__(self, load_ns: _Optional[int] = ..., first_inference_ns: _Optional[int] = ...) -> None: ...

class BenchmarkResponse(_message.Message):
    __slots__ = ("samples", "telemetry", "cold_start", "waiting", "profile")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_FIELD_NUMBER: _ClassVar[int]
    COLD_START_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    samples: BenchmarkSamples
    telemetry: Telemetry
    cold_start: ColdStart
    waiting: Waiting
    profile: bytes
    def __init__(self, samples: _Optional[_Union[BenchmarkSamples, _Mapping]] = ..., telemetry: _Optional[_Union[Telemetry, _Mapping]] = ..., cold_start: _Optional[_Union[ColdStart, _Mapping]] = ..., waiting: _Optional[_Union[Waiting, _Mapping]] = ..., profile: _Optional[bytes] = ...) -> None: ...

class BenchmarkSamples(_message.Message):
    __slots__ = ("kernel_time_ns",)
    KERNEL_TIME_NS_FIELD_NUMBER: _ClassVar[int]
    kernel_time_ns: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, kernel_time_ns: _Optional[_Iterable[int]] = ...) -> None: ...
