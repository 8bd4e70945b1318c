// Runs one program by the shim, without Python: run_shim SHIM PROGRAM BATCH < inputs > outputs, raw float32.

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <vector>

struct Tensor {
  void* data;
  uint64_t bytes;
  int32_t dtype;
  int32_t axes;
  int32_t sizes[16];
  uint8_t order[16];
};

template <typename Function>
Function find(void* library, const char* name) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
  }
  return reinterpret_cast<Function>(symbol);
}

int main(int count, char** arguments) {
  void* library = count == 4 ? dlopen(arguments[1], RTLD_NOW) : nullptr;
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", count == 4 ? dlerror() : "wrong arguments");
    return 2;
  }
  char reason[512] = "";
  auto fail = [&] { return std::fprintf(stderr, "%s\n", reason), 1; };
  find<void (*)()>(library, "edgeleak_begin")();
  void* program = nullptr;
  if (find<int32_t (*)(uint32_t, char*, size_t)>(library, "edgeleak_set_threads")(1, reason, sizeof reason) != 0 ||
      find<int32_t (*)(const char*, void**, char*, size_t)>(library, "edgeleak_load")(arguments[2], &program, reason,
                                                                                   sizeof reason) != 0) {
    return fail();
  }
  Tensor input{}, output{};
  auto describe = find<int32_t (*)(void*, int32_t, size_t, Tensor*, char*, size_t)>(library, "edgeleak_describe");
  if (describe(program, 0, 0, &input, reason, sizeof reason) != 0) {
    return fail();
  }
  int32_t batch = 0;
  std::sscanf(arguments[3], "%d", &batch);
  input.bytes = input.bytes / static_cast<uint64_t>(input.sizes[0]) * static_cast<uint64_t>(batch);
  input.sizes[0] = batch;
  std::vector<char> values(input.bytes);
  if (std::fread(values.data(), 1, values.size(), stdin) != values.size()) {
    return 2;
  }
  input.data = values.data();
  auto run = find<int32_t (*)(void*, const Tensor*, size_t, Tensor*, size_t, char*, size_t)>(library, "edgeleak_run");
  if (run(program, &input, 1, &output, 1, reason, sizeof reason) != 0) {
    return fail();
  }
  std::fwrite(output.data, 1, output.bytes, stdout);
  find<void (*)(void*)>(library, "edgeleak_unload")(program);
  return 0;
}
