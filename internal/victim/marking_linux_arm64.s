#include "textflag.h"

// func marking() bool
TEXT ·marking(SB), NOSPLIT, $0-1
	MOVWU	runtime·writeBarrier(SB), R0
	CMPW	$0, R0
	CSET	NE, R0
	MOVB	R0, ret+0(FP)
	RET

// func counterFrequency() uint64
TEXT ·counterFrequency(SB), NOSPLIT, $0-8
	WORD	$0xd53be000 // MRS CNTFRQ_EL0, R0
	MOVD	R0, ret+0(FP)
	RET

// func waitUnpreempted(state *uint32, ticks uint64)
TEXT ·waitUnpreempted(SB), NOSPLIT, $0-16
	MOVD	state+0(FP), R0
	MOVD	ticks+8(FP), R2
	WORD	$0xd53be043 // MRS CNTVCT_EL0, R3
	ADD	R2, R3
	MOVW	$1, R1 // waiting
	STLRW	R1, (R0)

wait:
	LDARW	(R0), R1
	CMPW	$1, R1
	BNE	done
	WORD	$0xd53be044 // MRS CNTVCT_EL0, R4
	CMP	R3, R4
	BLT	wait

giveUp:
	LDAXRW	(R0), R1
	CMPW	$1, R1
	BNE	done
	MOVW	$3, R1 // gaveUp
	STLXRW	R1, (R0), R5
	CBNZ	R5, giveUp

done:
	RET
