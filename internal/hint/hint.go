// Package hint has an error type that also says what the user can do next.
package hint

// An Error is an error that the user can fix: what was wrong, and the next step.
type Error struct {
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }
