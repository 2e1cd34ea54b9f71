package crash

import "splitadd/internal/crash/syntax"

var (
	isGoroutine = syntax.IsGoroutine
	hasAny      = syntax.HasAny
)
