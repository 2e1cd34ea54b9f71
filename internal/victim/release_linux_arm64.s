#include "textflag.h"

// func replaceWord(address uintptr, old, word uint32) bool
TEXT ·replaceWord(SB), NOSPLIT, $0-17
	MOVD	address+0(FP), R0
	MOVWU	old+8(FP), R1
	MOVWU	word+12(FP), R2
	MOVWU	(R0), R3
	CMPW	R1, R3
	BNE	other
	MOVW	R2, (R0)
	WORD	$0xd50b7b20 // DC CVAU, R0
	WORD	$0xd5033b9f // DSB ISH
	WORD	$0xd50b7520 // IC IVAU, R0
	WORD	$0xd5033b9f // DSB ISH
	WORD	$0xd5033fdf // ISB
	MOVD	$1, R0
	MOVB	R0, ret+16(FP)
	RET

other:
	MOVB	ZR, ret+16(FP)
	RET
