#pragma once

#include <string>

/// Counts a check; a failed one is printed with what was measured.
void check(bool good, const std::string& what, double measured);

/// Each file's tests.
void test_captured();
void test_energy();
void test_images();
void test_norms();
void test_profile();
void test_low_precision();
void test_quant();
void test_cuda_emulator();
void test_cuda_augment();
void test_cuda_step();
void test_cuda_norms();
void test_cuda_quant();
