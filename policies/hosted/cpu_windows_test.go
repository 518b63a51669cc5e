package hosted_test

import (
	"testing"
	"time"
)

var began = time.Now()

// cpu is the time since the beginning: what this process was given of it is not asked for here.
func cpu(*testing.B) int64 { return time.Since(began).Nanoseconds() }
