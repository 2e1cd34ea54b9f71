// Package hint has an error type that also tells the user what to do next.
package hint

// An Error is an error that the user can fix. Hint is the next step.
type Error struct {
	Err  error
	Hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }
