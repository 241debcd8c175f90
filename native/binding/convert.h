// JavaScript objects to jobs and results to JavaScript objects. src/native/contract.ts gives the shapes; every field
// is checked again here for presence, type and range, and what is wrong is INVALID_OPTION naming field, value and
// limit.
#pragma once

#include <napi.h>

#include "job.h"

namespace pyramidion {

// Byte arrays and the control block of a job are borrowed from JavaScript, so a job lives no longer than its call.
ProbeJob to_probe_job(const Napi::Value& value);
BuildJob to_build_job(const Napi::Value& value);
VerifyJob to_verify_job(const Napi::Value& value);
RenderJob to_render_job(const Napi::Value& value);

// Bytes are copied once, into arrays the engine owns.
Napi::Value to_js(Napi::Env env, const ProbeResult& result);
Napi::Value to_js(Napi::Env env, const BuildResult& result);
Napi::Value to_js(Napi::Env env, const RenderResult& result);
Napi::Value to_js(Napi::Env env, const Capabilities& capabilities);

}  // namespace pyramidion
