// A stand-in for libcuda.so.1 that needs no GPU: pycuda, cuda-bindings and ctypes all run on it.
//
// Device memory is host memory. Work put on a stream waits there until somebody synchronises, so that a result
// read too early is stale, as on a GPU. It holds callers to the driver's rules: a context must be current on the
// calling thread, copies stay inside live allocations, a capturing stream may not be synchronised. The functions
// stand_in_* let a test make a call fail, count what is alive and read the calls made.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

// The real kernel, compiled for the CPU: what CUDA provides to it, and then its source.
#define __global__
struct Index { unsigned x, y; };
static thread_local Index blockIdx, blockDim, threadIdx;
using std::min;
#include KERNEL_SOURCE

namespace {
enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
       NOT_READY = 600, ILLEGAL_ADDRESS = 700, NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900,
       CAPTURE_INVALIDATED = 901, INVALID_IMAGE = 200 };
typedef std::function<int()> Operation;

struct Graph { std::vector<Operation> operations; };
struct Stream { std::deque<Operation> waiting; Graph *capture = nullptr; bool spoilt = false; };
struct Event { Stream *stream = nullptr; bool done = true; long tick = 0; };
struct Module { std::string text; };
struct Function { std::string name; };
struct Failure { int code, after, times; };

std::recursive_mutex lock;
std::map<std::string, Failure> failures;
std::map<uintptr_t, size_t> device_blocks, pinned_blocks;
std::map<std::string, long> alive;
std::string calls;
bool logging = false, integrated = false;
int sticky = 0, devices = 1, init_code = 0;
long tick = 0;
size_t memory_limit = size_t(8) << 30;
char the_context[64];
thread_local std::vector<void *> contexts;

int enter(const char *name, bool needs_context = true) {
  if (logging) calls += std::string(name) + "\n";
  auto found = failures.find(name);
  if (found != failures.end() && found->second.after-- <= 0) {
    int code = found->second.code;
    if (--found->second.times == 0) failures.erase(found);
    return code;
  }
  if (sticky) return sticky;
  return needs_context && contexts.empty() ? INVALID_CONTEXT : 0;
}
#define ENTER(name, ...) \
  std::lock_guard<std::recursive_mutex> guard(lock); \
  if (int code = enter(name, ##__VA_ARGS__)) return code

bool inside(const std::map<uintptr_t, size_t> &blocks, const void *pointer, size_t size) {
  auto next = blocks.upper_bound((uintptr_t)pointer);
  if (next == blocks.begin()) return false;
  auto block = std::prev(next);
  return (uintptr_t)pointer + size <= block->first + block->second;
}
bool on_device(const void *pointer, size_t size) {
  return inside(device_blocks, pointer, size) || inside(pinned_blocks, pointer, size);
}
int run_one(Stream *stream) {
  Operation operation = stream->waiting.front();
  stream->waiting.pop_front();
  ++tick;
  int code = operation();
  if (code) sticky = code;
  return code;
}
int run_all(Stream *stream) {
  while (!stream->waiting.empty())
    if (int code = run_one(stream)) return code;
  return 0;
}
int put(Stream *stream, Operation operation) {
  if (stream->capture) stream->capture->operations.push_back(operation);
  else stream->waiting.push_back(operation);
  return 0;
}
int copy(void *target, const void *source, size_t size, const void *device_side) {
  if (!on_device(device_side, size)) return ILLEGAL_ADDRESS;
  memcpy(target, source, size);
  return 0;
}
int allocate(const char *kind, std::map<uintptr_t, size_t> &blocks, void **pointer, size_t size) {
  size_t used = 0;
  for (auto &block : device_blocks) used += block.second;
  if (!size) return INVALID_VALUE;
  if (&blocks == &device_blocks && used + size > memory_limit) return OUT_OF_MEMORY;
  if (posix_memalign(pointer, 512, size)) return OUT_OF_MEMORY;
  memset(*pointer, 0xA5, size);
  blocks[(uintptr_t)*pointer] = size;
  ++alive[kind];
  return 0;
}
int release(const char *kind, std::map<uintptr_t, size_t> &blocks, void *pointer) {
  if (!blocks.erase((uintptr_t)pointer)) return INVALID_VALUE;
  --alive[kind];
  free(pointer);
  return 0;
}
template <class T> int destroy(const char *kind, T *object) {
  if (!object) return INVALID_HANDLE;
  --alive[kind];
  delete object;
  return 0;
}
template <class T> T argument(void **parameters, const char *buffer, size_t &offset, int index) {
  if (parameters) return *(T *)parameters[index];
  offset = (offset + sizeof(T) - 1) / sizeof(T) * sizeof(T);
  T value;
  memcpy(&value, buffer + offset, sizeof(T));
  offset += sizeof(T);
  return value;
}
}  // namespace

extern "C" {
// What tests steer.
void stand_in_reset() {
  std::lock_guard<std::recursive_mutex> guard(lock);
  failures.clear(); calls.clear(); alive.clear();
  logging = integrated = false; sticky = 0; devices = 1; init_code = 0; memory_limit = size_t(8) << 30;
}
void stand_in_fail(const char *name, int code, int after, int times) { failures[name] = {code, after, times}; }
void stand_in_sticky(int code) { sticky = code; }
int stand_in_lost() { return sticky; }
void stand_in_init(int code) { init_code = code; }
void stand_in_devices(int count) { devices = count; }
void stand_in_integrated(int flag) { integrated = flag; }
void stand_in_memory(size_t bytes) { memory_limit = bytes; }
long stand_in_alive(const char *kind) { return alive[kind]; }
void stand_in_log(int on) { std::lock_guard<std::recursive_mutex> guard(lock); logging = on; calls.clear(); }
const char *stand_in_calls() { return calls.c_str(); }
int stand_in_has_context() { return !contexts.empty(); }
int stand_in_capturing(Stream *stream) { return stream->capture != nullptr; }
int stand_in_on_device(void *pointer, size_t size) { return on_device(pointer, size); }
int stand_in_enqueue(Stream *stream, int (*work)(void *), void *value) {
  ENTER("enqueue");
  return put(stream, [=] { return work(value); });
}

// Start and device.
int cuInit(unsigned) { std::lock_guard<std::recursive_mutex> guard(lock); enter("cuInit", false); return init_code; }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGetCount(int *count) { *count = devices; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal < devices ? 0 : 101; }
int cuDeviceGetName(char *name, int length, int) { snprintf(name, length, "Stand-in GPU"); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int) { *bytes = memory_limit; return 0; }
int cuDeviceGetUuid_v2(char *uuid, int) { memset(uuid, 7, 16); return 0; }
int cuDeviceComputeCapability(int *major, int *minor, int) { *major = 8; *minor = 6; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  switch (attribute) {
    case 1: *value = 1024; break;         // threads in a block
    case 16: *value = 20; break;          // multiprocessors
    case 18: *value = integrated; break;  // shares memory with the CPU
    case 19: *value = 1; break;           // can map host memory
    case 75: *value = 8; break;           // compute capability
    case 76: *value = 6; break;
    default: *value = 1;
  }
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int) {
  ENTER("cuDevicePrimaryCtxRetain", false);
  ++alive["primary"]; *context = the_context; return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) { ENTER("cuDevicePrimaryCtxRelease", false); --alive["primary"]; return 0; }
int cuCtxPushCurrent_v2(void *context) { ENTER("cuCtxPushCurrent", false); contexts.push_back(context); return 0; }
int cuCtxPopCurrent_v2(void **context) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  enter("cuCtxPopCurrent", false);
  if (contexts.empty()) return INVALID_CONTEXT;
  if (context) *context = contexts.back();
  contexts.pop_back();
  return 0;
}
int cuCtxGetCurrent(void **context) { *context = contexts.empty() ? nullptr : contexts.back(); return 0; }
int cuCtxGetDevice(int *device) { *device = 0; return contexts.empty() ? INVALID_CONTEXT : 0; }
int cuCtxSynchronize() { ENTER("cuCtxSynchronize"); return 0; }
int cuGetErrorName(int code, const char **name) { *name = code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR"; return 0; }
int cuGetErrorString(int code, const char **text) {
  *text = code == 700 ? "an illegal memory access was encountered" : code == 2 ? "out of memory" : "stand-in error";
  return 0;
}

// Memory.
int cuMemAlloc_v2(void **pointer, size_t size) { ENTER("cuMemAlloc"); return allocate("device", device_blocks, pointer, size); }
int cuMemFree_v2(void *pointer) { ENTER("cuMemFree"); return release("device", device_blocks, pointer); }
int cuMemHostAlloc(void **pointer, size_t size, unsigned) { ENTER("cuMemHostAlloc"); return allocate("pinned", pinned_blocks, pointer, size); }
int cuMemFreeHost(void *pointer) { ENTER("cuMemFreeHost"); return release("pinned", pinned_blocks, pointer); }
int cuMemHostGetDevicePointer_v2(void **device, void *host, unsigned) { ENTER("cuMemHostGetDevicePointer"); *device = host; return 0; }
int cuMemGetInfo_v2(size_t *available, size_t *total) { ENTER("cuMemGetInfo"); *available = *total = memory_limit; return 0; }
int cuMemcpyHtoDAsync_v2(void *target, const void *source, size_t size, Stream *stream) {
  ENTER("cuMemcpyHtoDAsync");
  return put(stream, [=] { return copy(target, source, size, target); });
}
int cuMemcpyDtoHAsync_v2(void *target, const void *source, size_t size, Stream *stream) {
  ENTER("cuMemcpyDtoHAsync");
  return put(stream, [=] { return copy(target, source, size, source); });
}

// Streams and events.
int cuStreamCreate(Stream **stream, unsigned) { ENTER("cuStreamCreate"); *stream = new Stream; ++alive["stream"]; return 0; }
int cuStreamDestroy_v2(Stream *stream) { ENTER("cuStreamDestroy"); return destroy("stream", stream); }
int cuStreamQuery(Stream *stream) { ENTER("cuStreamQuery"); return run_all(stream); }
int cuStreamSynchronize(Stream *stream) {
  ENTER("cuStreamSynchronize");
  if (stream->capture) { stream->spoilt = true; return CAPTURE_UNSUPPORTED; }
  return run_all(stream);
}
int cuEventCreate(Event **event, unsigned) { ENTER("cuEventCreate"); *event = new Event; ++alive["event"]; return 0; }
int cuEventDestroy_v2(Event *event) { ENTER("cuEventDestroy"); return destroy("event", event); }
int cuEventRecord(Event *event, Stream *stream) {
  ENTER("cuEventRecord");
  event->stream = stream;
  event->done = false;
  return put(stream, [=] { event->done = true; event->tick = tick; return 0; });
}
int cuEventSynchronize(Event *event) {
  ENTER("cuEventSynchronize");
  while (!event->done)
    if (int code = run_one(event->stream)) return code;
  return 0;
}
int cuEventQuery(Event *event) {
  ENTER("cuEventQuery");
  if (!event->done)
    if (int code = run_one(event->stream)) return code;
  return event->done ? 0 : NOT_READY;
}
int cuEventElapsedTime(float *milliseconds, Event *start, Event *stop) {
  ENTER("cuEventElapsedTime");
  *milliseconds = (float)(stop->tick - start->tick);
  return start->done && stop->done ? 0 : NOT_READY;
}
int cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *stop) { return cuEventElapsedTime(milliseconds, start, stop); }

// Modules and kernels.
int cuModuleLoadDataEx(Module **module, const char *image, unsigned, void *, void *) {
  ENTER("cuModuleLoadData");
  if (!strstr(image, ".target sm_")) return INVALID_IMAGE;
  *module = new Module{image};
  ++alive["module"];
  return 0;
}
int cuModuleLoadData(Module **module, const char *image) { return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr); }
int cuModuleUnload(Module *module) { ENTER("cuModuleUnload"); return destroy("module", module); }
int cuModuleGetFunction(Function **function, Module *module, const char *name) {
  ENTER("cuModuleGetFunction");
  if (module->text.find(std::string(".entry ") + name + "(") == std::string::npos) return NOT_FOUND;
  static std::map<std::string, Function> known;
  *function = &(known[name] = Function{name});
  return 0;
}
int cuFuncSetBlockShape(Function *, int, int, int) { return 0; }
int cuFuncGetAttribute(int *value, int, Function *) { *value = 1; return 0; }
int cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned, Stream *stream, void **parameters, void **extra) {
  ENTER("cuLaunchKernel");
  if (function->name != "resize_bgr" || gz != 1 || bz != 1 || bx * by > 1024) return INVALID_VALUE;
  const char *buffer = extra ? (const char *)extra[1] : nullptr;
  size_t offset = 0;
  auto source = argument<const unsigned char *>(parameters, buffer, offset, 0);
  int source_height = argument<int>(parameters, buffer, offset, 1);
  int source_width = argument<int>(parameters, buffer, offset, 2);
  auto target = argument<unsigned char *>(parameters, buffer, offset, 3);
  int height = argument<int>(parameters, buffer, offset, 4);
  int width = argument<int>(parameters, buffer, offset, 5);
  return put(stream, [=] {
    if (!on_device(source, (size_t)source_height * source_width * 3) || !on_device(target, (size_t)height * width * 3))
      return (int)ILLEGAL_ADDRESS;
    blockDim = {bx, by};
    for (blockIdx.y = 0; blockIdx.y < gy; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < gx; ++blockIdx.x)
        for (threadIdx.y = 0; threadIdx.y < by; ++threadIdx.y)
          for (threadIdx.x = 0; threadIdx.x < bx; ++threadIdx.x)
            resize_bgr(source, source_height, source_width, target, height, width);
    return 0;
  });
}

// Graphs.
int cuStreamBeginCapture_v2(Stream *stream, int) {
  ENTER("cuStreamBeginCapture");
  if (stream->capture) return CAPTURE_UNSUPPORTED;
  stream->capture = new Graph;
  ++alive["graph"];
  return 0;
}
int cuStreamEndCapture(Stream *stream, Graph **graph) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  int code = enter("cuStreamEndCapture");
  if (!stream->capture) return CAPTURE_INVALIDATED;
  *graph = stream->capture;
  stream->capture = nullptr;
  if (code || stream->spoilt) {
    stream->spoilt = false;
    destroy("graph", *graph);
    *graph = nullptr;
    return code ? code : (int)CAPTURE_INVALIDATED;
  }
  return 0;
}
int cuGraphInstantiateWithFlags(Graph **executable, Graph *graph, unsigned long long) {
  ENTER("cuGraphInstantiate");
  *executable = new Graph(*graph);
  ++alive["executable"];
  return 0;
}
int cuGraphLaunch(Graph *executable, Stream *stream) {
  ENTER("cuGraphLaunch");
  for (auto &operation : executable->operations) stream->waiting.push_back(operation);
  return 0;
}
int cuGraphExecDestroy(Graph *executable) { ENTER("cuGraphExecDestroy"); return destroy("executable", executable); }
int cuGraphDestroy(Graph *graph) { ENTER("cuGraphDestroy"); return destroy("graph", graph); }

// Everything else that pycuda links against: present, never of use.
#define ABSENT(name) int name() { return NOT_SUPPORTED; }
#include "absent.h"

int cuGetProcAddress_v2(const char *name, void **function, int, unsigned long long, int *status) {
  static void *self = nullptr;
  Dl_info info;
  if (!self && dladdr((void *)&stand_in_reset, &info)) self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  std::string base(name);
  *function = nullptr;
  for (const char *suffix : {"_v2", ""})
    if (!*function) *function = dlsym(self, (base + suffix).c_str());
  if (status) *status = *function ? 0 : 1;
  return *function ? 0 : NOT_FOUND;
}
int cuGetProcAddress(const char *name, void **function, int version, unsigned long long flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}
}
