// What JavaScript sees: the functions of src/native/contract.ts, and C++ failures as JavaScript errors.

#include <napi.h>
#include <vips/vips.h>

#include <exception>
#include <new>

#include "build.h"
#include "convert.h"
#include "engine.h"
#include "failure.h"
#include "probe.h"
#include "render.h"
#include "verify.h"

namespace pyramidion {

namespace {

Napi::Error to_error(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  error.Set("stage", Napi::String::New(env, failure.stage));
  error.Set("detail", Napi::String::New(env, failure.detail));
  return error;
}

// Runs one call. Whatever C++ throws becomes an error with code, stage and detail; library text goes to detail only.
template <typename Call>
Napi::Value guarded(const Napi::CallbackInfo& info, Call call) {
  try {
    start_vips("pyramidion");
    return call();
  } catch (const Napi::Error&) {
    throw;  // JavaScript's own, from a getter of the job
  } catch (const Failure& failure) {
    throw to_error(info.Env(), failure);
  } catch (const std::bad_alloc&) {
    throw to_error(info.Env(), Failure("memory", "INTERNAL", "the system refused memory that the job had reserved"));
  } catch (const std::exception& exception) {
    throw to_error(info.Env(), Failure("native", "INTERNAL", "the native code failed unexpectedly", exception.what()));
  }
}

Napi::Value capabilities_call(const Napi::CallbackInfo& info) {
  return guarded(info, [&] { return to_js(info.Env(), capabilities()); });
}

Napi::Value probe_call(const Napi::CallbackInfo& info) {
  return guarded(info, [&] { return to_js(info.Env(), probe(to_probe_job(info[0]))); });
}

Napi::Value build_call(const Napi::CallbackInfo& info) {
  return guarded(info, [&] { return to_js(info.Env(), build(to_build_job(info[0]))); });
}

Napi::Value verify_call(const Napi::CallbackInfo& info) {
  return guarded(info, [&] {
    verify(to_verify_job(info[0]));
    return info.Env().Undefined();
  });
}

Napi::Value render_call(const Napi::CallbackInfo& info) {
  return guarded(info, [&] { return to_js(info.Env(), render(to_render_job(info[0]))); });
}

// Called once for each thread that loads the addon.
Napi::Object init(Napi::Env env, Napi::Object exports) {
  // libvips itself lives as long as the process; what it keeps for this thread goes with the thread's environment.
  env.AddCleanupHook([] { vips_thread_shutdown(); });
  exports.Set("capabilities", Napi::Function::New(env, capabilities_call, "capabilities"));
  exports.Set("probe", Napi::Function::New(env, probe_call, "probe"));
  exports.Set("build", Napi::Function::New(env, build_call, "build"));
  exports.Set("verify", Napi::Function::New(env, verify_call, "verify"));
  exports.Set("render", Napi::Function::New(env, render_call, "render"));
  return exports;
}

}  // namespace

}  // namespace pyramidion

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return pyramidion::init(env, exports); }
NODE_API_MODULE(pyramidion, init_addon)
