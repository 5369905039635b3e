// Streams and events. Work waits in its stream until somebody waits for it: whoever forgets to wait reads poison, and
// streams that are not ordered by events run in an order that nobody relies on.
#include "driver.h"

namespace emu {

void drain(Stream* s) {
  while (!s->queue.empty()) {
    Work work = std::move(s->queue.front());
    s->queue.pop_front();
    try {
      work();
    } catch (const Error& error) {
      s->queue.clear();
      s->context->broken = std::make_unique<Error>(error);
      throw;
    }
  }
}

void drain_all(Context* c) {
  for (Stream* s : driver().streams.where([&](Stream& s) { return s.context == c; })) drain(s);
}

Stream* stream_of(void* handle, Context* c) {
  if (handle == nullptr || handle == (void*)1) return c->legacy;
  require(handle != (void*)2, NOT_SUPPORTED, "the default stream of a thread");
  Stream* s = driver().streams.get(handle, "stream");
  require(s->context == c, INVALID_HANDLE, "a stream of another context");
  return s;
}

static void check_capture(const Stream* s) {
  require(!s->capture->invalid, STREAM_CAPTURE_INVALIDATED, "what this stream captures was made invalid by an earlier call");
}

// The legacy stream and blocking streams wait for each other, whether one likes it or not.
static void order_with_legacy(Stream* s) {
  if (!s->blocking) return;
  if (!s->legacy) return drain(s->context->legacy);
  for (Stream* other : driver().streams.where([&](Stream& o) { return o.context == s->context && o.blocking && !o.legacy; })) {
    if (other->capture) {
      other->capture->invalid = true;
      throw Error{STREAM_CAPTURE_IMPLICIT, "the legacy stream would wait for a stream that captures"};
    }
    drain(other);
  }
}

void enqueue(Stream* s, NodeKind kind, Work work) {
  if (s->capture) {
    check_capture(s);
    s->capture->nodes.push_back({kind, std::move(work)});
    ++s->captured;
    return;
  }
  order_with_legacy(s);
  s->queue.push_back(std::move(work));
  if (driver().eager) drain(s);
}

void unsafe_in_capture(const char* call) {
  for (Stream* s : driver().streams.where([](Stream& s) { return s.capture && s.capture->origin == &s; })) {
    Capture& c = *s->capture;
    if (c.mode == 2 || (c.mode == 1 && c.thread != std::this_thread::get_id())) continue;
    c.invalid = true;
    throw Error{STREAM_CAPTURE_UNSUPPORTED, std::string(call) + " while a stream captures"};
  }
}

static void forget(Stream* s) {
  if (s->capture) s->capture->streams.erase(s);
  if (s->capture && s->capture->origin == s) {
    for (Stream* other : s->capture->streams) other->capture = nullptr;
  }
  driver().streams.drop(s);
}

void close_streams(Context* c) {
  for (Event* e : driver().events.where([&](Event& e) { return e.context == c; })) driver().events.drop(e);
  for (Stream* s : driver().streams.where([&](Stream& s) { return s.context == c; })) forget(s);
}

// Runs streams until a recording is reached; its stream may be gone, but then all of its work was done.
static void reach(const std::shared_ptr<Record>& r) {
  if (!r->done) drain(r->stream);
}

}  // namespace emu

using namespace emu;

static Event* event_of(void* handle) { return driver().events.get(handle, "event"); }

EXPORT cuStreamCreate(void** out, unsigned flags) {
  return in_context([&](Context* c) {
    require(flags <= 1, INVALID_VALUE, "flags of a stream are 0 or 1");
    *out = driver().streams.add({c, flags == 0});
  });
}
EXPORT cuStreamCreateWithPriority(void** out, unsigned flags, int) { return cuStreamCreate(out, flags); }
EXPORT cuStreamDestroy_v2(void* handle) {
  return in_context([&](Context* c) {
    Stream* s = stream_of(handle, c);
    require(!s->legacy, INVALID_HANDLE, "the legacy stream cannot be destroyed");
    drain(s);
    forget(s);
  });
}
EXPORT cuStreamSynchronize(void* handle) {
  return in_context([&](Context* c) {
    unsafe_in_capture("cuStreamSynchronize");
    Stream* s = stream_of(handle, c);
    require(!s->capture, STREAM_CAPTURE_UNSUPPORTED, "cuStreamSynchronize of a stream that captures");
    order_with_legacy(s);
    drain(s);
  });
}
// The first call says that the work is not done, and does it.
EXPORT cuStreamQuery(void* handle) {
  return in_context([&](Context* c) {
    unsafe_in_capture("cuStreamQuery");
    Stream* s = stream_of(handle, c);
    require(!s->capture, STREAM_CAPTURE_UNSUPPORTED, "cuStreamQuery of a stream that captures");
    bool done = s->queue.empty();
    drain(s);
    require(done, NOT_READY, "");
  });
}
EXPORT cuStreamGetCtx(void* handle, void** out) {
  return in_context([&](Context* c) { *out = stream_of(handle, c)->context; });
}
EXPORT cuStreamGetFlags(void* handle, unsigned* out) {
  return in_context([&](Context* c) { *out = !stream_of(handle, c)->blocking; });
}

EXPORT cuEventCreate(void** out, unsigned flags) {
  return in_context([&](Context* c) { *out = driver().events.add({c, !(flags & 2)}); });
}
EXPORT cuEventDestroy_v2(void* handle) {
  return in_context([&](Context*) { driver().events.drop(event_of(handle)); });
}
EXPORT cuEventRecord(void* handle, void* stream) {
  return in_context([&](Context* c) {
    Event* e = event_of(handle);
    Stream* s = stream_of(stream, c);
    require(e->context == c, INVALID_HANDLE, "an event of another context");
    auto r = std::make_shared<Record>(Record{s, s->capture, s->captured});
    e->record = r;
    if (s->capture) return check_capture(s);
    order_with_legacy(s);
    s->queue.push_back([r] {
      r->done = true;
      r->when = std::chrono::steady_clock::now();
    });
    if (driver().eager) drain(s);
  });
}
EXPORT cuEventRecordWithFlags(void* handle, void* stream, unsigned) { return cuEventRecord(handle, stream); }
EXPORT cuStreamWaitEvent(void* handle, void* event, unsigned) {
  return in_context([&](Context* c) {
    Stream* s = stream_of(handle, c);
    auto r = event_of(event)->record;
    if (!r) return;  // was never recorded: there is nothing to wait for
    if (!r->capture) {
      require(!s->capture, STREAM_CAPTURE_ISOLATION, "a stream that captures waits for an event from outside");
      order_with_legacy(s);
      s->queue.push_back([r] { reach(r); });
      return;
    }
    require(!r->capture->invalid, STREAM_CAPTURE_INVALIDATED, "the capture of this event is invalid");
    require(!s->capture || s->capture == r->capture, STREAM_CAPTURE_MERGE, "two captures would be one");
    if (!s->capture) {
      require(!s->legacy, STREAM_CAPTURE_IMPLICIT, "the legacy stream cannot capture");
      s->capture = r->capture;
      s->captured = s->joined = 0;
      r->capture->streams.insert(s);
    }
    r->stream->joined = std::max(r->stream->joined, r->captured);
  });
}
static std::shared_ptr<Record> recording(void* handle, const char* call) {
  unsafe_in_capture(call);
  auto r = event_of(handle)->record;
  require(!r || !r->capture, CAPTURED_EVENT, std::string(call) + " of an event that was captured");
  return r;
}
EXPORT cuEventSynchronize(void* handle) {
  return in_context([&](Context*) {
    if (auto r = recording(handle, "cuEventSynchronize")) reach(r);
  });
}
EXPORT cuEventQuery(void* handle) {
  return in_context([&](Context*) {
    auto r = recording(handle, "cuEventQuery");
    if (!r || r->done) return;
    reach(r);
    throw Error{NOT_READY, ""};
  });
}
EXPORT cuEventElapsedTime(float* out, void* start, void* end) {
  return in_context([&](Context*) {
    Event *a = event_of(start), *b = event_of(end);
    require(a->timing && b->timing, INVALID_HANDLE, "an event without timing");
    require(a->record && b->record, INVALID_HANDLE, "an event that was not recorded");
    require(a->record->done && b->record->done, NOT_READY, "");
    *out = std::chrono::duration<float, std::milli>(b->record->when - a->record->when).count();
  });
}
EXPORT cuEventElapsedTime_v2(float* out, void* start, void* end) { return cuEventElapsedTime(out, start, end); }
