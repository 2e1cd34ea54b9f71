package triage

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
)

// generic is a program with two instances of a function. One of them has a window.
const generic = `package main

var never, count = false, 0

//go:noinline
func pick[T int8 | int64](n int, v T) int {
	if never {
		var room [8210]T
		room[n&0x1fff] = v
		n += int(room[(n+7)&0x1fff])
	}
	return n + 1
}

func main() {
	for {
		count += pick(count, int8(1)) + pick(count, int64(1))
	}
}
`

// TestGeneric reads logs of a generic function. Goroutine traces print its name without type
// arguments, and the unwinder prints it with them. If a trace may be of an instance without a
// window, addresses decide.
func TestGeneric(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	toolchain, err := lab.Resolve(ctx, "go1.23.4")
	require.NoError(t, err)
	path, err := lab.BuildMain(ctx, toolchain, e.Target, []byte(generic), t.TempDir())
	require.NoError(t, err)
	b, err := Open(context.Background(), path)
	require.NoError(t, err)
	defer b.Close()
	require.NotEmpty(t, b.Windows)
	w := b.Windows[0]
	for _, c := range b.Windows {
		if strings.HasPrefix(c.Func, "main.pick[") && c.Class == "SP" {
			w = c
		}
	}
	require.Contains(t, w.Func, "main.pick[")
	fns := b.funcs["main.pick[...]"]
	require.Len(t, fns, 2)
	for _, fn := range fns {
		require.Less(t, w.Offset(), fn.End-fn.Entry, "%s has an instruction there", fn.Name())
	}

	log := func(name, numbers string) crash.Log {
		return crash.Log{Line: 1, Text: []byte("fatal error: traceback did not unwind completely\n\ngoroutine 6 [preempted (scan)]:\nruntime.asyncPreempt()\n\t/x/preempt_arm64.s:47 +0x8c\n" +
			fmt.Sprintf("%s(0x0?)\n\t/x/main.go:9 +%#x%s\n", name, w.Offset(), numbers))}
	}
	v := Log(log("main.pick[...]", fmt.Sprintf(" fp=0x400011fe40 sp=0x400010fe30 pc=%#x", w.PC)), b)
	assert.Equal(t, SplitSP, v.Answer, "%+v", v)
	v = Log(log("main.pick[...]", ""), b)
	assert.Equal(t, Undecided, v.Answer)
	assert.Contains(t, v.Reason, "one of several instances of main.pick[...]")
	v = Log(crash.Log{Line: 1, Text: []byte("runtime: g 6: unexpected return pc for " + w.Func + " called from 0xe8e8\nstack: frame={sp:0x400010fe30, fp:0x4000130000} stack=[0x4000100000,0x4000140000)\nfatal error: unknown caller pc\n")}, b)
	assert.Equal(t, SplitSP, v.Answer, "%+v", v)
	assert.Equal(t, Likely, v.Confidence)
}
