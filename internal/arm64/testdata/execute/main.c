// Executes instructions that access no memory, one after the other, each from two
// states of the registers, and writes the states afterwards.
//
// Input: records of a word and two states. Output: two states for each. A state
// is X0 to X30, the flags, V0 to V31.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct state {
	uint64_t x[31], flags;
	uint8_t v[32][16];
};

static uint32_t *code;
static int at, top;

static void emit(uint32_t word) { code[at++] = word; }

// assemble writes a function f(in, out): it loads all registers from in, executes
// a word and stores them to out. SP points to {in, out} meanwhile: X30 is free.
static void assemble(uint32_t word) {
	at = 0;
	emit(0xd10303ff); // sub sp, sp, #192
	for (int i = 0; i < 5; i++) emit((0xa9020000 + ((i * 2) << 15)) | 31 << 5 | (20 + 2 * i) << 10 | (19 + 2 * i)); // stp x19.., [sp, #32..]
	emit(0xa9077bfd); // stp x29, x30, [sp, #112]
	for (int i = 0; i < 4; i++) emit((0x6d080000 + ((i * 2) << 15)) | 31 << 5 | (9 + 2 * i) << 10 | (8 + 2 * i)); // stp d8.., [sp, #128..]
	emit(0xa90007e0); // stp x0, x1, [sp]
	emit(0xf9407c01); // ldr x1, [x0, #248]
	emit(0xd51b4201); // msr nzcv, x1
	for (int i = 0; i < 32; i++) emit(0x3dc00000 | (16 + i) << 10 | i); // ldr q, [x0, #256..]
	for (int i = 1; i < 31; i++) emit(0xf9400000 | i << 10 | i); // ldr x, [x0, #8*i]
	emit(0xf9400000); // ldr x0, [x0]
	emit(word);
	emit(0xf9000be0); // str x0, [sp, #16]
	emit(0xf94007e0); // ldr x0, [sp, #8]
	for (int i = 1; i < 31; i++) emit(0xf9000000 | i << 10 | i); // str x, [x0, #8*i]
	emit(0xf9400be1); // ldr x1, [sp, #16]
	emit(0xf9000001); // str x1, [x0]
	emit(0xd53b4201); // mrs x1, nzcv
	emit(0xf9007c01); // str x1, [x0, #248]
	for (int i = 0; i < 32; i++) emit(0x3d800000 | (16 + i) << 10 | i); // str q, [x0, #256..]
	for (int i = 0; i < 5; i++) emit((0xa9420000 + ((i * 2) << 15)) | 31 << 5 | (20 + 2 * i) << 10 | (19 + 2 * i));
	emit(0xa9477bfd);
	for (int i = 0; i < 4; i++) emit((0x6d480000 + ((i * 2) << 15)) | 31 << 5 | (9 + 2 * i) << 10 | (8 + 2 * i));
	emit(0x910303ff); // add sp, sp, #192
	emit(0xd65f03c0); // ret
	if (at > top) top = at;
	__builtin___clear_cache((char *)code, (char *)(code + at));
}

int main(void) {
	struct state in[2], out[2];
	uint32_t word;
	code = mmap(0, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED) return 1;
	while (fread(&word, 4, 1, stdin) == 1) {
		if (fread(in, sizeof in, 1, stdin) != 1) return 2;
		assemble(word);
		for (int i = 0; i < 2; i++) ((void (*)(struct state *, struct state *))code)(&in[i], &out[i]);
		if (fwrite(out, sizeof out, 1, stdout) != 1 || fflush(stdout)) return 3;
	}
	return 0;
}
