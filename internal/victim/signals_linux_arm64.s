#include "go_asm.h"
#include "textflag.h"

// The offset of the interrupted pc in a struct ucontext (runtime/defs_linux_arm64.go).
#define context_pc 440

// func countSignal()
//
// The kernel calls it with the signal in R0, a siginfo in R1 and a ucontext in R2. It may
// change R0 to R17.
TEXT ·countSignal(SB), NOSPLIT|TOPFRAME, $16-0
	MOVD	context_pc(R2), R3
	MOVD	R2, context-8(SP)
	MOVD	R3, pc-16(SP)
	MOVD	·runtimeHandler(SB), R4
	CALL	(R4)
	MOVD	pc-16(SP), R3
	MOVD	·pinned(SB), R4
	CMP	R3, R4
	BNE	done
	MOVD	context-8(SP), R2
	MOVD	context_pc(R2), R4
	CMP	R3, R4
	BEQ	unchanged
	MOVD	·preempted(SB), R4
	ADD	$1, R4
	MOVD	R4, ·preempted(SB)
	MOVD	ZR, ·refused(SB)
	RET

unchanged:
	MOVD	·refused(SB), R4
	ADD	$1, R4
	MOVD	R4, ·refused(SB)
	CMP	$const_maxRefused, R4
	BNE	done
	MOVD	$1, R0
	MOVD	·refusedLine(SB), R1
	MOVD	·refusedLine+8(SB), R2
	MOVD	$64, R8 // write
	SVC
	MOVD	$const_ExitNotPreemptible, R0
	MOVD	$94, R8 // exit_group
	SVC

done:
	RET

// func countSignalAddress() uintptr
TEXT ·countSignalAddress(SB), NOSPLIT, $0-8
	MOVD	$·countSignal(SB), R0
	MOVD	R0, ret+0(FP)
	RET
