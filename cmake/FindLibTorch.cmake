# Finds the LibTorch under LIBTORCH_ROOT; where that is empty, the one that the environment variable LIBTORCH names, else the one in
# .libtorch/. PyTorch's own CMake package is not used: with a CUDA build it wants the whole CUDA toolkit and a newer CMake, even for
# code that includes no CUDA header.
#
#   LibTorch::cpu         torch_cpu and c10, with their headers
#   LibTorch::cuda        the same plus torch_cuda and c10_cuda; only where the LibTorch has them
#   LibTorch_VERSION      for example 2.13.0
#   LibTorch_CUDA_MAJOR   for example 13; empty for a CPU build, or where the LibTorch does not say
#   LibTorch_ID           for example torch2.13-cpu or torch2.14-cu13, as libtorchId() of the TypeScript sources has it

set(LIBTORCH_ROOT "" CACHE PATH "Folder of the LibTorch that holds include/ and lib/")

if(NOT LIBTORCH_ROOT)
  set(place $ENV{LIBTORCH})
  if(NOT place)
    set(place ${CMAKE_CURRENT_SOURCE_DIR}/.libtorch)
  endif()
  foreach(inside . torch libtorch lib/python3*/site-packages/torch)
    file(GLOB found ${place}/${inside}/lib/libtorch_cpu.so)
    if(found AND NOT LIBTORCH_ROOT)
      list(GET found 0 found)
      get_filename_component(LIBTORCH_ROOT ${found}/../.. ABSOLUTE)
    endif()
  endforeach()
endif()

set(LibTorch_INCLUDE_DIR ${LIBTORCH_ROOT}/include)
foreach(name torch_cpu c10 torch_cuda c10_cuda)
  if(EXISTS ${LIBTORCH_ROOT}/lib/lib${name}.so)
    set(LibTorch_${name} ${LIBTORCH_ROOT}/lib/lib${name}.so)
  endif()
endforeach()

# The defines moved between releases; the first file that has them wins.
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(NOT LibTorch_VERSION AND EXISTS ${LibTorch_INCLUDE_DIR}/${header})
    file(STRINGS ${LibTorch_INCLUDE_DIR}/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
    string(REGEX MATCHALL "[0-9]+" numbers "${lines}")
    list(JOIN numbers "." LibTorch_VERSION)
  endif()
endforeach()

# A wheel says "2.14.1+cu130" in version.py, an archive in build-version; other builds have cuda = '13.0' in version.py, or only the
# CUDA run time beside the libraries.
file(GLOB labels ${LIBTORCH_ROOT}/version.py ${LIBTORCH_ROOT}/build-version)
foreach(file ${labels})
  file(STRINGS ${file} label REGEX "\\+cu[0-9]+|^cuda.*'[0-9]+\\.[0-9]+'")
  if(label MATCHES "\\+cu([0-9]+)[0-9]")
    set(LibTorch_CUDA_MAJOR ${CMAKE_MATCH_1})
  elseif(label MATCHES "'([0-9]+)\\.[0-9]+'")
    set(LibTorch_CUDA_MAJOR ${CMAKE_MATCH_1})
  endif()
endforeach()
file(GLOB runtime ${LIBTORCH_ROOT}/lib/libcudart*.so.*)
if(NOT LibTorch_CUDA_MAJOR AND runtime MATCHES "\\.so\\.([0-9]+)")
  set(LibTorch_CUDA_MAJOR ${CMAKE_MATCH_1})
endif()

string(REGEX MATCH "^[0-9]+\\.[0-9]+" LibTorch_ID "${LibTorch_VERSION}")
if(LibTorch_torch_cuda)
  set(LibTorch_ID torch${LibTorch_ID}-cu${LibTorch_CUDA_MAJOR})
else()
  set(LibTorch_ID torch${LibTorch_ID}-cpu)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_cpu LibTorch_c10 LibTorch_VERSION
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "Set LIBTORCH to a folder that holds include/ATen and lib/libtorch_cpu.so, or fetch one with npm run setup.")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE
    ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  target_compile_features(LibTorch::cpu INTERFACE cxx_std_20)
  target_compile_definitions(LibTorch::cpu INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
  target_link_libraries(LibTorch::cpu INTERFACE -Wl,--no-as-needed ${LibTorch_torch_cpu} ${LibTorch_c10})

  if(LibTorch_torch_cuda AND LibTorch_c10_cuda)
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu ${LibTorch_torch_cuda} ${LibTorch_c10_cuda})
  endif()
endif()
