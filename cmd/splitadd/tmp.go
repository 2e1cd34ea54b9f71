package main

import (
	"context"
	"fmt"
	"os"
	"time"
	"strings"
	"splitadd/internal/objfile"
	"splitadd/internal/window"
	"splitadd/internal/lab"
	"splitadd/internal/patch"
	"splitadd/internal/victim"
)

func main() {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, "")
	fmt.Println(e, err)
	p := os.Args[1]
	f, _ := objfile.Open(p)
	w, _ := window.Open(f)
	fs, _ := w.Functions("splitadd/internal/victim." + os.Args[2])
	obs := strings.Split(os.Args[3], ",")
	for _, fn := range fs {
		ws := fn.Windows
		if len(os.Args) > 4 { ws = []window.Window{{Func: fn.Name, PC: fn.Entry, Class: "SP"}} }
		for _, x := range ws {
			for _, o := range obs {
				os.RemoveAll("/tmp/s/pin")
				if err := patch.Pin(f, x.PC, "/tmp/s/pin"); err != nil { panic(err) }
				name := x.Func[strings.LastIndex(x.Func, ".")+1:]
				r, err := e.Run(ctx, lab.Job{Path: "/tmp/s/pin", Args: victim.Config{Victim: name, Observer: o, Victims: 1, Procs: 3, Observe: 20}.Args(), Deadline: 20 * time.Second, Stall: 3 * time.Second})
				fmt.Println(x.Class, name, o, r.End, r.Code, r.Signal, r.Seconds, r.Exposure(), err)
				os.WriteFile(fmt.Sprintf("/tmp/s/log.%s.%s.%s", x.Class, name, o), r.Output, 0644)
				for i, l := range strings.SplitN(string(r.Output), "\n", 12) { if i > 1 && i < 8 && !strings.HasPrefix(l, "splitadd guest") { fmt.Println("    ", l) } }
			}
		}
	}
}
