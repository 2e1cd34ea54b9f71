module splitadd

go 1.23.0

require (
	github.com/edsrzf/mmap-go v1.2.0
	github.com/rogpeppe/go-internal v1.14.1
	golang.org/x/sys v0.35.0
)
