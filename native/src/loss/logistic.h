#pragma once
#include "loss/row.h"
