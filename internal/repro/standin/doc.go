// Package standin is the parent of packages that stand in for third-party ones in the
// suite that "splitadd repro -suite" writes. With them the suite requires only testify and
// errgroup, and is easy to attach to a bug report. Each has what the suite uses of the
// package with the same name, and no more. Splitadd itself does not use them.
package standin
