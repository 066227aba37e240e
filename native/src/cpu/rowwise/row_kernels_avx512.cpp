#define NCE_ROW_ISA avx512
#define NCE_ROW_LANES 8
#include "cpu/rowwise/row_kernels_impl.h"
