# Decides whether the CUDA plugin can be built: eb_cuda_why stays empty, or says why not. Under EB_CUDA=ON a reason is an error.
# Enables the language CUDA and sets CUDAToolkit_* and eb_cuda_math_include (cusparse.h and friends, which LibTorch's headers include).

set(eb_cuda_why "")
file(GLOB eb_cuda_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cpp/cuda/*.cu ${CMAKE_CURRENT_SOURCE_DIR}/cpp/cuda/*.cpp)

if(EB_CUDA STREQUAL "OFF")
  set(eb_cuda_why "EB_CUDA=OFF")
elseif(NOT TARGET LibTorch::cuda)
  set(eb_cuda_why "this LibTorch has no libtorch_cuda: it is a CPU build")
elseif(NOT eb_cuda_sources)
  set(eb_cuda_why "cpp/cuda holds no sources")
else()
  set(CMAKE_CUDA_ARCHITECTURES ${EB_CUDA_ARCHS})
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  # An nvcc may have come since: check_language looks once and keeps what it found, or that it found nothing.
  if(NOT CMAKE_CUDA_COMPILER)
    unset(CMAKE_CUDA_COMPILER CACHE)
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    set(eb_cuda_why "no working nvcc was found: put it on PATH or set CUDACXX")
  else()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    # The wheels of PyTorch keep NVIDIA's headers in a folder beside torch/, a toolkit keeps them in its own.
    file(GLOB eb_cuda_wheels ${LIBTORCH_ROOT}/../nvidia/cu${CUDAToolkit_VERSION_MAJOR}/include ${LIBTORCH_ROOT}/../nvidia/cusparse/include)
    # Without it the plugin has no ranks (cpp/cuda/nccl.cpp).
    find_path(eb_nccl_include nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${LIBTORCH_ROOT}/../nvidia/nccl/include)
    find_path(eb_cuda_math_include cusparse.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${eb_cuda_wheels})
    if(LibTorch_CUDA_MAJOR AND NOT LibTorch_CUDA_MAJOR EQUAL CUDAToolkit_VERSION_MAJOR)
      set(eb_cuda_why "nvcc is of CUDA ${CUDAToolkit_VERSION}, but this LibTorch was built with CUDA ${LibTorch_CUDA_MAJOR}")
    elseif(NOT eb_cuda_math_include)
      set(eb_cuda_why "cusparse.h was found neither in the CUDA toolkit nor in wheels beside LibTorch")
    endif()
  endif()
endif()

if(eb_cuda_why AND EB_CUDA STREQUAL "ON")
  message(FATAL_ERROR "EB_CUDA=ON, but ${eb_cuda_why}.")
endif()
