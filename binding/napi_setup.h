// The only include of napi.h, so that all files use the same switches.
#pragma once

#define NAPI_VERSION 8
#define NAPI_CPP_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED
// worker.terminate() makes every call into JavaScript throw; that must end the worker, not the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>
