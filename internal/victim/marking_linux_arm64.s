#include "textflag.h"

// func marking() bool
TEXT ·marking(SB), NOSPLIT, $0-1
	MOVWU	runtime·writeBarrier(SB), R0
	CMPW	$0, R0
	CSET	NE, R0
	MOVB	R0, ret+0(FP)
	RET

// func waitUnpreempted(state *uint32)
TEXT ·waitUnpreempted(SB), NOSPLIT, $0-8
	MOVD	state+0(FP), R0
	MOVW	$1, R1
	STLRW	R1, (R0)

wait:
	LDARW	(R0), R1
	CMPW	$1, R1
	BEQ	wait
	RET
