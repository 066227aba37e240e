#define NCE_ROW_ISA avx2
#define NCE_ROW_LANES 4
#include "cpu/rowwise/row_kernels_impl.h"
