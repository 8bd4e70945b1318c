// The runtime of ExecuTorch behind a few C functions, so that Python can call it by ctypes, without torch.
//
// What crosses the boundary is plain: numbers, pointers and text. No exception does. Every function that can fail
// returns a `Status` and writes why into the caller's buffer. One thread calls at a time.
//
// _shim.py declares the same structures and functions; ABI tells the two apart from those of another version.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <executorch/devtools/etdump/etdump_flatcc.h>
#include <executorch/extension/data_loader/file_data_loader.h>
#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/runtime/core/exec_aten/util/scalar_type_util.h>
#include <executorch/runtime/executor/memory_manager.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

// The wheel ships the library of this header and not the header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

using executorch::aten::ScalarType;
using executorch::aten::Tensor;
using executorch::aten::TensorImpl;
using executorch::etdump::ETDumpGen;
using executorch::extension::FileDataLoader;
using executorch::extension::MallocMemoryAllocator;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::HierarchicalAllocator;
using executorch::runtime::MemoryManager;
using executorch::runtime::Method;
using executorch::runtime::MethodMeta;
using executorch::runtime::Program;
using executorch::runtime::Span;
using executorch::runtime::TensorInfo;

constexpr uint32_t kAbi = 1;
constexpr size_t kAxesMax = 16;
constexpr char kMethod[] = "forward";
// A plan of more memory than this is a damaged file, whatever the machine has.
constexpr uint64_t kPlannedBytesMax = uint64_t{1} << 40;

enum Status : int32_t { kOk = 0, kRefused = 1, kNoMemory = 2, kNotTensor = 3 };

// One tensor: of the file's declaration, of an input, or of an output.
struct EdgeleakTensor {
  void* data;
  uint64_t bytes;
  int32_t dtype;
  int32_t axes;
  int32_t sizes[kAxesMax];
  // The axes from the outermost in memory to the innermost.
  uint8_t order[kAxesMax];
};

// The first error that the library has logged since the last call began: it names the cause, later ones follow from it.
// Kernels log from threads of the pool.
std::mutex log_mutex;
char logged[400];

void emit_log(et_timestamp_t, et_pal_log_level_t level, const char* file, const char*, size_t line, const char* message,
              size_t length) {
  if (level == kFatal) {
    // The process ends now: the only place left to say why is standard error.
    std::fprintf(stderr, "ExecuTorch (%s:%zu): %.*s\n", file, line, static_cast<int>(length), message);
  }
  if (level != kError && level != kFatal) {
    return;
  }
  std::lock_guard<std::mutex> guard(log_mutex);
  if (logged[0] == '\0') {
    size_t kept = std::min(length, sizeof logged - 1);
    std::memcpy(logged, message, kept);
    logged[kept] = '\0';
  }
}

void forget_log() {
  std::lock_guard<std::mutex> guard(log_mutex);
  logged[0] = '\0';
}

// Where a function says what went wrong.
struct Reason {
  char* text;
  size_t size;

  Status refused(const char* words) const {
    if (size > 0) {
      std::snprintf(text, size, "%s", words);
    }
    return kRefused;
  }

  Status failed(const char* doing, Error error) const {
    std::lock_guard<std::mutex> guard(log_mutex);
    if (size > 0) {
      const char* name = executorch::runtime::to_string(error);
      std::snprintf(text, size, "%s: %s%s%s", doing, name, logged[0] == '\0' ? "" : ": ", logged);
    }
    bool memory = error == Error::MemoryAllocationFailed || error == Error::DelegateMemoryAllocationFailed;
    return memory ? kNoMemory : kRefused;
  }

  Status no_memory() const {
    refused("memory could not be allocated");
    return kNoMemory;
  }
};

// Calls what may throw, and lets nothing out.
template <typename Body>
Status guarded(const Reason& reason, Body body) noexcept {
  try {
    forget_log();
    return body();
  } catch (const std::bad_alloc&) {
    return reason.no_memory();
  } catch (const std::exception& error) {
    return reason.refused(error.what());
  } catch (...) {
    return reason.refused("an unknown exception");
  }
}

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<uint8_t, Freed>;

// Pages that nobody touches cost nothing, and what a kernel reads before it writes is always the same.
Memory zeros(size_t bytes) {
  Memory memory(static_cast<uint8_t*>(std::calloc(std::max<size_t>(bytes, 1), 1)));
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

// A method and all memory that it computes in. Members end in the reverse order: the method first.
struct Runnable {
  MallocMemoryAllocator own;
  MallocMemoryAllocator temporary;
  std::vector<Memory> buffers;
  std::vector<Span<uint8_t>> planned;
  std::vector<Memory> outputs;
  std::unique_ptr<HierarchicalAllocator> hierarchy;
  std::unique_ptr<MemoryManager> manager;
  std::unique_ptr<Method> method;

  Status load(const Program& program, const MethodMeta& meta, ETDumpGen* tracer, const Reason& reason) {
    uint64_t total = 0;
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      auto size = meta.memory_planned_buffer_size(i);
      if (!size.ok()) {
        return reason.failed("the memory plan", size.error());
      }
      if (*size < 0 || static_cast<uint64_t>(*size) > kPlannedBytesMax - total) {
        return reason.refused("the memory plan is of an impossible size");
      }
      total += static_cast<uint64_t>(*size);
      buffers.push_back(zeros(static_cast<size_t>(*size)));
      planned.emplace_back(buffers.back().get(), static_cast<size_t>(*size));
    }
    hierarchy = std::make_unique<HierarchicalAllocator>(Span<Span<uint8_t>>(planned.data(), planned.size()));
    manager = std::make_unique<MemoryManager>(&own, hierarchy.get(), &temporary);
    auto loaded = program.load_method(kMethod, manager.get(), tracer);
    if (!loaded.ok()) {
      return reason.failed("loading its method", loaded.error());
    }
    method = std::make_unique<Method>(std::move(*loaded));
    return provide_outputs(meta, reason);
  }

  // Outputs for which the file plans no memory are the caller's to provide.
  Status provide_outputs(const MethodMeta& meta, const Reason& reason) {
    for (size_t i = 0; i < meta.num_outputs(); ++i) {
      auto info = meta.output_tensor_meta(i);
      if (!info.ok() || info->is_memory_planned()) {
        continue;
      }
      outputs.push_back(zeros(info->nbytes()));
      Error error = method->set_output_data_ptr(outputs.back().get(), info->nbytes(), i);
      if (error != Error::Ok) {
        return reason.failed("providing memory of an output", error);
      }
    }
    return kOk;
  }
};

// Members end in the reverse order: the methods before the program, the program before its file.
struct Loaded {
  std::unique_ptr<FileDataLoader> file;
  std::unique_ptr<Program> program;
  std::unique_ptr<MethodMeta> meta;
  Runnable runnable;
};

Status describe(const TensorInfo& info, EdgeleakTensor* out, const Reason& reason) {
  auto sizes = info.sizes();
  auto order = info.dim_order();
  if (sizes.size() > kAxesMax || order.size() != sizes.size()) {
    return reason.refused("a tensor has too many axes, or no order of them");
  }
  *out = {};
  out->bytes = info.nbytes();
  out->dtype = static_cast<int32_t>(info.scalar_type());
  out->axes = static_cast<int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), out->sizes);
  std::copy(order.begin(), order.end(), out->order);
  return kOk;
}

// An input as the library takes it; it does not own the data. `held` is reserved, so that no element moves.
struct Fed {
  int32_t sizes[kAxesMax];
  uint8_t order[kAxesMax];
  int32_t strides[kAxesMax];
  std::unique_ptr<TensorImpl> tensor;

  Status take(const EdgeleakTensor& in, const Reason& reason) {
    if (in.axes < 0 || static_cast<size_t>(in.axes) > kAxesMax || in.data == nullptr) {
      return reason.refused("an input has too many axes, or no data");
    }
    auto type = static_cast<ScalarType>(in.dtype);
    if (in.dtype < 0 || in.dtype > 127 || !executorch::runtime::isValid(type)) {
      return reason.refused("an input is of an unknown type");
    }
    size_t axes = static_cast<size_t>(in.axes);
    bool seen[kAxesMax] = {};
    uint64_t bytes = executorch::runtime::elementSize(type);
    for (size_t i = 0; i < axes; ++i) {
      size_t axis = in.order[axes - 1 - i];
      if (axis >= axes || seen[axis] || in.sizes[axis] < 0) {
        return reason.refused("an input has an impossible shape");
      }
      seen[axis] = true;
      strides[axis] = static_cast<int32_t>(bytes / executorch::runtime::elementSize(type));
      bytes *= static_cast<uint64_t>(in.sizes[axis]);
      if (bytes > INT32_MAX) {
        return reason.refused("an input is too large");
      }
    }
    if (bytes != in.bytes) {
      return reason.refused("the size of an input is not that of its shape");
    }
    std::copy_n(in.sizes, kAxesMax, sizes);
    std::copy_n(in.order, kAxesMax, order);
    tensor = std::make_unique<TensorImpl>(type, in.axes, sizes, in.data, order, strides);
    return kOk;
  }
};

Status feed(Method& method, const EdgeleakTensor* inputs, size_t count, std::vector<Fed>& held, const Reason& reason) {
  if (count != method.inputs_size()) {
    return reason.refused("the program takes another number of inputs");
  }
  held = std::vector<Fed>(count);
  for (size_t i = 0; i < count; ++i) {
    Status status = held[i].take(inputs[i], reason);
    if (status != kOk) {
      return status;
    }
    Error error = method.set_input(EValue(Tensor(held[i].tensor.get())), i);
    if (error != Error::Ok) {
      return reason.failed("setting an input", error);
    }
  }
  return kOk;
}

Status execute(Method& method, const EdgeleakTensor* inputs, size_t count, const Reason& reason) {
  std::vector<Fed> held;
  Status status = feed(method, inputs, count, held, reason);
  if (status != kOk) {
    return status;
  }
  Error error = method.execute();
  return error == Error::Ok ? kOk : reason.failed("running it", error);
}

Status read(const EValue& value, EdgeleakTensor* out, const Reason& reason) {
  if (!value.isTensor()) {
    reason.refused("an output of the program is not a tensor");
    return kNotTensor;
  }
  const Tensor& tensor = value.toTensor();
  auto sizes = tensor.sizes();
  auto order = tensor.dim_order();
  if (sizes.size() > kAxesMax || order.size() != sizes.size()) {
    return reason.refused("an output has too many axes, or no order of them");
  }
  *out = {};
  out->data = const_cast<void*>(tensor.const_data_ptr());
  out->bytes = tensor.nbytes();
  if (out->data == nullptr && out->bytes > 0) {
    return reason.refused("an output has no memory");
  }
  out->dtype = static_cast<int32_t>(tensor.scalar_type());
  out->axes = static_cast<int32_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), out->sizes);
  std::copy(order.begin(), order.end(), out->order);
  return kOk;
}

Status open(const char* path, Loaded& loaded, const Reason& reason) {
  auto file = FileDataLoader::from(path);
  if (!file.ok()) {
    return reason.failed("opening it", file.error());
  }
  loaded.file = std::make_unique<FileDataLoader>(std::move(*file));
  auto program = Program::load(loaded.file.get(), Program::Verification::InternalConsistency);
  if (!program.ok()) {
    return reason.failed("reading it", program.error());
  }
  loaded.program = std::make_unique<Program>(std::move(*program));
  bool found = false;
  for (size_t i = 0; i < loaded.program->num_methods() && !found; ++i) {
    auto name = loaded.program->get_method_name(i);
    found = name.ok() && std::strcmp(*name, kMethod) == 0;
  }
  if (!found) {
    return reason.refused("the program has no method 'forward'");
  }
  auto meta = loaded.program->method_meta(kMethod);
  if (!meta.ok()) {
    return reason.failed("reading its method", meta.error());
  }
  loaded.meta = std::make_unique<MethodMeta>(*meta);
  return loaded.runnable.load(*loaded.program, *loaded.meta, nullptr, reason);
}

}  // namespace

#define EDGELEAK_PUBLIC extern "C" __attribute__((visibility("default")))

EDGELEAK_PUBLIC uint32_t edgeleak_abi() noexcept { return kAbi; }

// Once, before all others: sends the library's log here, and readies it.
EDGELEAK_PUBLIC void edgeleak_begin() noexcept {
  executorch::runtime::register_pal(executorch::runtime::PalImpl::create(emit_log, "shim.cpp"));
  executorch::runtime::runtime_init();
}

// The number of threads of the pool that all programs share; no program may be loaded while it changes.
EDGELEAK_PUBLIC int32_t edgeleak_set_threads(uint32_t threads, char* text, size_t size) noexcept {
  Reason reason{text, size};
  return guarded(reason, [&]() -> Status {
    auto* pool = executorch::extension::threadpool::get_threadpool();
    if (pool == nullptr) {
      return reason.refused("there is no pool of threads");
    }
    if (pool->get_thread_count() != threads && !pool->_unsafe_reset_threadpool(threads)) {
      return reason.refused("the pool of threads could not be made");
    }
    return kOk;
  });
}

EDGELEAK_PUBLIC int32_t edgeleak_load(const char* path, Loaded** out, char* text, size_t size) noexcept {
  Reason reason{text, size};
  return guarded(reason, [&]() -> Status {
    auto loaded = std::make_unique<Loaded>();
    Status status = open(path, *loaded, reason);
    if (status == kOk) {
      *out = loaded.release();
    }
    return status;
  });
}

EDGELEAK_PUBLIC void edgeleak_unload(Loaded* loaded) noexcept { delete loaded; }

EDGELEAK_PUBLIC size_t edgeleak_count(const Loaded* loaded, int32_t outputs) noexcept {
  return outputs != 0 ? loaded->meta->num_outputs() : loaded->meta->num_inputs();
}

// What the file declares of one input or output.
EDGELEAK_PUBLIC int32_t edgeleak_describe(const Loaded* loaded, int32_t outputs, size_t index, EdgeleakTensor* out,
                                          char* text, size_t size) noexcept {
  Reason reason{text, size};
  return guarded(reason, [&]() -> Status {
    auto info = outputs != 0 ? loaded->meta->output_tensor_meta(index) : loaded->meta->input_tensor_meta(index);
    if (!info.ok()) {
      reason.refused("it is not a tensor");
      return kNotTensor;
    }
    return describe(*info, out, reason);
  });
}

// Run once. The outputs' data is the program's, and stays until it runs again.
EDGELEAK_PUBLIC int32_t edgeleak_run(Loaded* loaded, const EdgeleakTensor* inputs, size_t count,
                                     EdgeleakTensor* outputs, size_t room, char* text, size_t size) noexcept {
  Reason reason{text, size};
  return guarded(reason, [&]() -> Status {
    Method& method = *loaded->runnable.method;
    if (room != method.outputs_size()) {
      return reason.refused("there is no room for the outputs");
    }
    Status status = execute(method, inputs, count, reason);
    for (size_t i = 0; i < room && status == kOk; ++i) {
      status = read(method.get_output(i), &outputs[i], reason);
    }
    return status;
  });
}

// Run a second instance of the method, and give the ETDump of its second run: the first sets up what stays.
EDGELEAK_PUBLIC int32_t edgeleak_profile(Loaded* loaded, const EdgeleakTensor* inputs, size_t count, void** dump,
                                         size_t* dump_bytes, char* text, size_t size) noexcept {
  Reason reason{text, size};
  return guarded(reason, [&]() -> Status {
    // It has to outlive the method.
    ETDumpGen tracer;
    Runnable traced;
    Status status = traced.load(*loaded->program, *loaded->meta, &tracer, reason);
    if (status == kOk) {
      status = execute(*traced.method, inputs, count, reason);
    }
    if (status == kOk) {
      tracer.reset();
      status = execute(*traced.method, inputs, count, reason);
    }
    if (status != kOk) {
      return status;
    }
    auto result = tracer.get_etdump_data();
    if (result.buf == nullptr || result.size == 0) {
      return reason.refused("the library recorded nothing");
    }
    *dump = result.buf;
    *dump_bytes = result.size;
    return kOk;
  });
}

EDGELEAK_PUBLIC void edgeleak_free(void* memory) noexcept { std::free(memory); }
