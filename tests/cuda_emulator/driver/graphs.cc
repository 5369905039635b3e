// Capture of streams, and graphs. Nodes run in the order in which they were captured.
#include "driver.h"

using namespace emu;

EXPORT cuStreamBeginCapture_v2(void* handle, int mode) {
  return in_context([&](Context* c) {
    Stream* s = stream_of(handle, c);
    require(!s->legacy, STREAM_CAPTURE_UNSUPPORTED, "the legacy stream cannot capture");
    require(!s->capture, ILLEGAL_STATE, "this stream captures already");
    require(mode >= 0 && mode <= 2, INVALID_VALUE, "modes of capture are 0, 1 and 2");
    s->capture = std::make_shared<Capture>(Capture{s, mode, std::this_thread::get_id(), {}, {s}});
    s->captured = s->joined = 0;
  });
}

static void check_joined(const Capture& c) {
  for (Stream* s : c.streams)
    require(s == c.origin || s->joined == s->captured, STREAM_CAPTURE_UNJOINED, "no stream waits for the last work of a stream that joined the capture");
}

EXPORT cuStreamEndCapture(void* handle, void** out) {
  *out = nullptr;
  return in_context([&](Context* c) {
    Stream* s = stream_of(handle, c);
    require(s->capture != nullptr, ILLEGAL_STATE, "this stream does not capture");
    auto capture = s->capture;
    bool here = capture->mode == 2 || capture->thread == std::this_thread::get_id();
    require(here, STREAM_CAPTURE_WRONG_THREAD, "the capture was begun by another thread");
    require(capture->origin == s, STREAM_CAPTURE_UNMATCHED, "the capture was begun in another stream");
    for (Stream* other : capture->streams) other->capture = nullptr;
    require(!capture->invalid, STREAM_CAPTURE_INVALIDATED, "the capture was made invalid by an earlier call");
    check_joined(*capture);
    *out = driver().graphs.add({std::move(capture->nodes)});
  });
}

EXPORT cuStreamIsCapturing(void* handle, int* out) {
  return in_context([&](Context* c) {
    Stream* s = stream_of(handle, c);
    *out = !s->capture ? 0 : s->capture->invalid ? 2 : 1;
  });
}

// 0 global, 1 of this thread, 2 relaxed: the emulator looks at the mode that the capture began with
EXPORT cuThreadExchangeStreamCaptureMode(int* mode) {
  return locked([&] {
    static thread_local int now = 0;
    std::swap(now, *mode);
  });
}

EXPORT cuGraphCreate(void** out, unsigned) {
  return locked([&] { *out = driver().graphs.add({}); });
}
EXPORT cuGraphGetNodes(void* handle, void** nodes, size_t* count) {
  return locked([&] {
    Graph* g = driver().graphs.get(handle, "graph");
    for (size_t i = 0; nodes && i < std::min(*count, g->nodes.size()); ++i) nodes[i] = &g->nodes[i];
    *count = g->nodes.size();
  });
}
EXPORT cuGraphNodeGetType(void* node, int* out) {
  return locked([&] { *out = (int)((Node*)node)->kind; });
}
EXPORT cuGraphInstantiateWithFlags(void** out, void* handle, unsigned long long) {
  return locked([&] {
    Graph* g = driver().graphs.get(handle, "graph");
    *out = driver().execs.add({std::make_shared<std::vector<Node>>(g->nodes)});
  });
}
EXPORT cuGraphInstantiate_v2(void** out, void* handle, void*, char*, size_t) {
  return cuGraphInstantiateWithFlags(out, handle, 0);
}
EXPORT cuGraphUpload(void* handle, void*) {
  return locked([&] { driver().execs.get(handle, "instantiated graph"); });
}
EXPORT cuGraphLaunch(void* handle, void* stream) {
  return in_context([&](Context* c) {
    auto nodes = driver().execs.get(handle, "instantiated graph")->nodes;
    enqueue(stream_of(stream, c), NodeKind::KERNEL, [nodes] {
      for (const Node& n : *nodes) n.work();
    });
  });
}
EXPORT cuGraphDestroy(void* handle) {
  return locked([&] { driver().graphs.drop(driver().graphs.get(handle, "graph")); });
}
EXPORT cuGraphExecDestroy(void* handle) {
  return locked([&] { driver().execs.drop(driver().execs.get(handle, "instantiated graph")); });
}
