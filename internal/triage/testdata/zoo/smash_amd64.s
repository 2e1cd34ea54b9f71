#include "textflag.h"
#include "funcdata.h"

// func illegal()
TEXT ·illegal(SB), NOSPLIT, $0-0
	UD2
	RET

// func trap()
TEXT ·trap(SB), NOSPLIT, $0-0
	INT $3
	RET

// func smashed(word uintptr, f func())
TEXT ·smashed(SB), 0, $16-16
	NO_LOCAL_POINTERS
	MOVQ word+0(FP), AX
	MOVQ f+8(FP), DX
	MOVQ AX, 24(SP)
	MOVQ (DX), CX
	CALL CX
	RET
