package virtual

import "testing"

// An error says what is known of it, and no more.
func TestErrorsSayWhatIsKnown(t *testing.T) {
	full := failed(ID{"journal", "a"}, "add", CodeFailed, "no")
	full.Reason = "why"
	for want, err := range map[string]error{
		"q (p)":      Fail("p", "q"),
		"q":          Fail("", "q"),
		"failed":     Fail("", ""),
		"failed (p)": Fail("p", ""),
		"actor journal/a, method add: failed: no (why)": full,
		"actor journal/a, method add: panicked":         failed(ID{"journal", "a"}, "add", CodePanicked, ""),
	} {
		if err.Error() != want {
			t.Errorf("%q, not %q", err, want)
		}
	}
}
