package activation

import "testing"

func TestBugNames(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Bugs() {
		if s := b.String(); s == "" || seen[s] {
			t.Errorf("bug %b is called %q", b, s)
		}
		seen[b.String()] = true
	}
	if len(seen) != len(bugNames) || (BugUnconfirmed|BugSameNumbers).String() != "unconfirmed, same numbers" {
		t.Errorf("%d bugs and %d names", len(seen), len(bugNames))
	}
}
