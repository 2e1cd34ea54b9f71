#include "textflag.h"
#include "funcdata.h"

// func illegal()
TEXT ·illegal(SB), NOSPLIT, $0-0
	WORD $0
	RET

// func trap()
TEXT ·trap(SB), NOSPLIT, $0-0
	BRK $0xf000
	RET

// func smashed(word uintptr, f func())
TEXT ·smashed(SB), 0, $16-16
	NO_LOCAL_POINTERS
	MOVD word+0(FP), R0
	MOVD f+8(FP), R26
	MOVD R0, 0(RSP)
	MOVD (R26), R1
	CALL (R1)
	RET
