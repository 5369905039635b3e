// The state of the driver, and what its files share. Every entry point holds one lock and turns `Error`s into codes.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "scheduler.h"

#define EXPORT extern "C" __attribute__((visibility("default"))) int

namespace emu {

enum Code {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
  INVALID_IMAGE = 200, INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, PEER_ACCESS_UNSUPPORTED = 217,
  INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700,
  LAUNCH_OUT_OF_RESOURCES = 701, PEER_ACCESS_ALREADY_ENABLED = 704, PEER_ACCESS_NOT_ENABLED = 705,
  CONTEXT_IS_DESTROYED = 709, HOST_MEMORY_ALREADY_REGISTERED = 712, HOST_MEMORY_NOT_REGISTERED = 713,
  LAUNCH_FAILED = 719, NOT_SUPPORTED = 801, STREAM_CAPTURE_UNSUPPORTED = 900, STREAM_CAPTURE_INVALIDATED = 901,
  STREAM_CAPTURE_MERGE = 902, STREAM_CAPTURE_UNMATCHED = 903, STREAM_CAPTURE_UNJOINED = 904,
  STREAM_CAPTURE_ISOLATION = 905, STREAM_CAPTURE_IMPLICIT = 906, CAPTURED_EVENT = 907,
  STREAM_CAPTURE_WRONG_THREAD = 908,
};

// A code, and in words what nobody would guess from it: those are the report.
struct Error {
  Code code;
  std::string text;
};
inline void require(bool ok, Code code, const std::string& text) {
  if (!ok) throw Error{code, text};
}

using Address = uint64_t;
struct Context;
struct Capture;

using Work = std::function<void()>;
enum class NodeKind { KERNEL = 0, MEMCPY = 1, MEMSET = 2 };
struct Node {
  NodeKind kind;
  Work work;
};

struct Stream {
  Context* context;
  bool blocking;            // waits for the legacy stream, and the other way round
  bool legacy = false;
  std::deque<Work> queue;   // what was asked for and is not done yet
  std::shared_ptr<Capture> capture;
  size_t captured = 0, joined = 0;  // nodes of this stream in the capture, and how many of them another stream waits for
};

// A recording of an event: later ones of the same event are others.
struct Record {
  Stream* stream;
  std::shared_ptr<Capture> capture;
  size_t captured = 0;
  bool done = false;
  std::chrono::steady_clock::time_point when;
};

struct Event {
  Context* context;
  bool timing;
  std::shared_ptr<Record> record;
};

struct Capture {
  Stream* origin;
  int mode;  // 0 global, 1 of this thread, 2 relaxed
  std::thread::id thread;
  std::vector<Node> nodes;
  std::set<Stream*> streams;
  bool invalid = false;
};

struct Graph {
  std::vector<Node> nodes;
};
struct GraphExec {
  std::shared_ptr<std::vector<Node>> nodes;
};

struct Function;
struct ModuleHandle {
  Context* context;
  void* library;
  const Module* table;
  int file;
  std::vector<std::unique_ptr<Function>> functions;
};
struct Function {
  ModuleHandle* module;
  const Kernel* kernel;
  std::vector<Range> shared;
  size_t shared_bytes;
  int most_dynamic = 49152;
};

struct Context {
  int device;
  bool primary;
  unsigned flags = 0;
  int users = 1;
  Stream* legacy = nullptr;
  std::unique_ptr<Error> broken;  // as on a device: a failed launch ends the context
  std::set<int> peers;
};

// Objects that users hold by address; one that is gone or never was is an error.
template <class T>
class Handles {
 public:
  T* add(T value) {
    auto owned = std::make_unique<T>(std::move(value));
    T* raw = owned.get();
    all_[raw] = std::move(owned);
    return raw;
  }
  T* get(void* handle, const char* what) const {
    auto at = all_.find((T*)handle);
    require(at != all_.end(), INVALID_HANDLE, std::string("this is no ") + what + ", or one that was destroyed");
    return at->second.get();
  }
  void drop(T* handle) { all_.erase(handle); }
  template <class F>
  std::vector<T*> where(F&& keep) const {
    std::vector<T*> found;
    for (auto& [raw, _] : all_)
      if (keep(*raw)) found.push_back(raw);
    return found;
  }

 private:
  std::unordered_map<T*, std::unique_ptr<T>> all_;
};

struct Driver {
  std::recursive_mutex lock;
  bool initialized = false;
  int devices = 1;
  std::vector<Context*> primary;
  Handles<Context> contexts;
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<ModuleHandle> modules;
  Handles<Graph> graphs;
  Handles<GraphExec> execs;
  std::vector<Order> orders{Order{}};
  bool eager = false;
  std::string report;
  size_t launches = 0;
};
Driver& driver();

// Remembers the words, and prints them.
int refuse(const Error& error);

template <class F>
int locked(F&& body) {
  std::lock_guard<std::recursive_mutex> hold(driver().lock);
  try {
    require(driver().initialized, NOT_INITIALIZED, "cuInit was not called");
    body();
    return SUCCESS;
  } catch (const Error& error) {
    return refuse(error);
  }
}

// With the context of this thread, unless it is broken.
template <class F>
int in_context(F&& body);

Context* current_context();
void check_device(int device);

template <class F>
int in_context(F&& body) {
  return locked([&] { body(current_context()); });
}

// ---- memory.cc
enum class Side { DEVICE, HOST };
// Where all of these bytes are one live allocation that this device may touch.
void check_device_range(Address start, size_t size, const Context* context, const char* what);
bool is_accessible(Address address, const Context* context);
bool is_pinned(const void* start, size_t size);
void check_host(const void* start, size_t size);
void free_memory_of(const Context* context);
void check_canaries();
// All memory of devices, to run a launch again from the same state.
using Snapshot = std::map<Address, std::vector<char>>;
Snapshot take_snapshot();
void restore(const Snapshot& snapshot);
std::string difference(const Snapshot& a, const Snapshot& b);

// ---- streams.cc
Stream* stream_of(void* handle, Context* context);
// Puts work on a stream, or a node into what it captures.
void enqueue(Stream* stream, NodeKind kind, Work work);
void drain(Stream* stream);
void drain_all(Context* context);
// Calls that a capture forbids: it becomes invalid.
void unsafe_in_capture(const char* call);
void close_streams(Context* context);

// ---- modules.cc
void close_modules(Context* context);

}  // namespace emu
