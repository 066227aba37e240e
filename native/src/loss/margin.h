#pragma once
#include "loss/pairwise.h"
