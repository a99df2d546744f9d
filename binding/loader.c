/*
 * Opens a shared library by absolute path with its symbols visible to everything loaded later. The main addon is linked
 * to libtorch_cpu.so by name only; glibc matches the name against what is already loaded, so neither LD_LIBRARY_PATH
 * nor a run path is needed. Nothing is ever closed: LibTorch does not survive that.
 */
#define NAPI_VERSION 8
#include <dlfcn.h>
#include <node_api.h>

static napi_value open_library(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument;
  char path[4096];
  size_t length = 0;
  if (napi_get_cb_info(env, info, &argc, &argument, NULL, NULL) != napi_ok || argc != 1 ||
      napi_get_value_string_utf8(env, argument, path, sizeof(path), &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "open(path) takes one string");
    return NULL;
  }
  if (dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == NULL) {
    napi_throw_error(env, NULL, dlerror());
  }
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value open_function;
  if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, open_library, NULL, &open_function) != napi_ok ||
      napi_set_named_property(env, exports, "open", open_function) != napi_ok) {
    return NULL;
  }
  return exports;
}
