// Initialization, devices, errors in words.
#include <cstdio>
#include <cstdlib>

#include "driver.h"

namespace emu {

Driver& driver() {
  static Driver* one = new Driver;  // never destroyed: Python's objects go later than static ones
  return *one;
}

int refuse(const Error& error) {
  bool quiet = error.code == NOT_READY || error.code == PEER_ACCESS_ALREADY_ENABLED;
  if (quiet) return error.code;
  driver().report = error.text;
  if (getenv("CUDA_EMULATOR_LOG")) fprintf(stderr, "cuda emulator: %s\n", error.text.c_str());
  return error.code;
}

namespace {

const char* variable(const char* name, const char* otherwise) {
  const char* given = getenv(name);
  return given && *given ? given : otherwise;
}

std::vector<Order> orders_of(std::string text) {
  std::vector<Order> found;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(',', at), text.size());
    found.push_back(Order::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return found;
}

int architecture() { return atoi(variable("CUDA_EMULATOR_ARCH", "sm_90") + 3); }

// Numbers of cuDeviceGetAttribute that programs ask for, as an H100 answers; all others are 0.
int attribute(int which, int device) {
  static const std::map<int, int> table = {
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 2147483647}, {6, 65535}, {7, 65535}, {8, 49152}, {9, 65536},
      {10, 32}, {11, 2147483647}, {12, 65536}, {13, 1980000}, {14, 512}, {15, 1}, {16, 132}, {17, 0}, {18, 0},
      {19, 1}, {20, 0}, {31, 1}, {32, 0}, {33, 0}, {34, 0}, {35, 0}, {36, 2619000}, {37, 5120}, {38, 52428800},
      {39, 2048}, {40, 3}, {41, 1}, {50, 0}, {78, 1}, {79, 1}, {80, 1}, {81, 233472}, {82, 65536}, {83, 1}, {84, 0},
      {95, 1}, {97, 232448}, {106, 32}, {111, 1024}, {115, 1}, {119, 1}};
  if (which == 33) return device + 1;
  if (which == 75) return architecture() / 10;
  if (which == 76) return architecture() % 10;
  auto at = table.find(which);
  return at == table.end() ? 0 : at->second;
}

}  // namespace

void check_device(int device) {
  require(device >= 0 && device < driver().devices, INVALID_DEVICE,
          "there is no device " + std::to_string(device) + ", there are " + std::to_string(driver().devices));
}

}  // namespace emu

using namespace emu;

EXPORT cuInit(unsigned) {
  Driver& d = driver();
  std::lock_guard<std::recursive_mutex> hold(d.lock);
  if (d.initialized) return SUCCESS;
  d.devices = atoi(variable("CUDA_EMULATOR_DEVICES", "1"));
  if (d.devices == 0) return NO_DEVICE;
  d.primary.resize(d.devices);
  d.orders = orders_of(variable("CUDA_EMULATOR_ORDERS", "forward"));
  d.eager = std::string(variable("CUDA_EMULATOR_STREAMS", "lazy")) == "eager";
  d.initialized = true;
  return SUCCESS;
}

// ---- beside the driver's API: what tests ask ----------------------------------------------------

// The words of the last error.
extern "C" __attribute__((visibility("default"))) const char* emu_report() { return driver().report.c_str(); }
// Orders in which every launch is run, "forward,reverse,17": all have to leave the same bytes.
EXPORT emu_set_orders(const char* text) {
  return locked([&] { driver().orders = orders_of(text); });
}
extern "C" __attribute__((visibility("default"))) size_t emu_launches() { return driver().launches; }

// ---- errors -----------------------------------------------------------------------------------

namespace {
const std::map<int, const char*> NAMES = {
    {0, "CUDA_SUCCESS"}, {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"},
    {3, "CUDA_ERROR_NOT_INITIALIZED"}, {100, "CUDA_ERROR_NO_DEVICE"}, {101, "CUDA_ERROR_INVALID_DEVICE"},
    {200, "CUDA_ERROR_INVALID_IMAGE"}, {201, "CUDA_ERROR_INVALID_CONTEXT"}, {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
    {217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED"}, {400, "CUDA_ERROR_INVALID_HANDLE"}, {401, "CUDA_ERROR_ILLEGAL_STATE"},
    {500, "CUDA_ERROR_NOT_FOUND"}, {600, "CUDA_ERROR_NOT_READY"}, {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"}, {704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED"},
    {705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED"}, {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"},
    {712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED"}, {713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED"},
    {719, "CUDA_ERROR_LAUNCH_FAILED"}, {801, "CUDA_ERROR_NOT_SUPPORTED"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}, {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
    {902, "CUDA_ERROR_STREAM_CAPTURE_MERGE"}, {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED"}, {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"},
    {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"}, {907, "CUDA_ERROR_CAPTURED_EVENT"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"}};
}

EXPORT cuGetErrorName(int code, const char** out) {
  auto at = NAMES.find(code);
  *out = at == NAMES.end() ? nullptr : at->second;
  return *out ? SUCCESS : INVALID_VALUE;
}
// The report, if the error had one.
EXPORT cuGetErrorString(int code, const char** out) {
  if (cuGetErrorName(code, out)) return INVALID_VALUE;
  if (code && !driver().report.empty()) *out = driver().report.c_str();
  return SUCCESS;
}

// ---- devices ----------------------------------------------------------------------------------

EXPORT cuDriverGetVersion(int* out) {
  *out = 13000;
  return SUCCESS;
}
EXPORT cuDeviceGetCount(int* out) {
  return locked([&] { *out = driver().devices; });
}
EXPORT cuDeviceGet(int* out, int ordinal) {
  return locked([&] { check_device(*out = ordinal); });
}
EXPORT cuDeviceGetName(char* out, int size, int device) {
  return locked([&] {
    check_device(device);
    snprintf(out, size, "CUDA emulator");
  });
}
EXPORT cuDeviceGetAttribute(int* out, int which, int device) {
  return locked([&] {
    check_device(device);
    require(which > 0 && which < 200, INVALID_VALUE, "no attribute of devices has this number");
    *out = attribute(which, device);
  });
}
EXPORT cuDeviceComputeCapability(int* major, int* minor, int device) {
  int failed = cuDeviceGetAttribute(major, 75, device);
  return failed ? failed : cuDeviceGetAttribute(minor, 76, device);
}
EXPORT cuDeviceGetPCIBusId(char* out, int size, int device) {
  return locked([&] {
    check_device(device);
    snprintf(out, size, "0000:%02x:00.0", device + 1);
  });
}
EXPORT cuDeviceGetByPCIBusId(int* out, const char* text) {
  return locked([&] {
    unsigned domain, bus;
    require(sscanf(text, "%x:%x", &domain, &bus) == 2, INVALID_VALUE, "this is no PCI bus id");
    check_device(*out = (int)bus - 1);
  });
}
EXPORT cuDeviceGetUuid_v2(char* out, int device) {
  return locked([&] {
    check_device(device);
    memset(out, device + 1, 16);
  });
}
EXPORT cuDeviceCanAccessPeer(int* out, int device, int peer) {
  return locked([&] {
    check_device(device);
    check_device(peer);
    *out = device != peer;
  });
}
