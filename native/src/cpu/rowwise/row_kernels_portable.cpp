#define NCE_ROW_ISA portable
#define NCE_ROW_LANES 2
#include "cpu/rowwise/row_kernels_impl.h"
