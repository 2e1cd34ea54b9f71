#include "textflag.h"

// func framePointer() int64
TEXT ·framePointer(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	RSP, R0
	SUB	R0, R29, R0
	MOVD	R0, ret+0(FP)
	RET
