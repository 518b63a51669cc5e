package virtual

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// MOVING.md says of every code how often what is refused with it is tried, and how long those behind it wait.
func TestTableOfTries(t *testing.T) {
	text, err := os.ReadFile("MOVING.md")
	if err != nil {
		t.Fatal(err)
	}
	row := func(of string) (tries, wait string) {
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(line, " | "); len(cells) == 4 && strings.Contains(cells[0], of) {
				return cells[1], cells[2]
			}
		}
		return "", ""
	}
	said := func(tries int) (string, string) {
		pause := time.Duration(0)
		for n := 1; n < tries && tries != noEnd; n++ {
			pause += restOf(n)
		}
		switch {
		case tries == noEnd:
			return "no end", "until"
		case tries == 1:
			return "1", "not at all"
		case tries == triesRefused && pause == 1500*time.Millisecond:
			return "5", "1.5 s"
		case tries == triesBusy && pause.Round(time.Minute) == 6*time.Minute:
			return "20", "about 6 min"
		}
		return "?", "?"
	}
	rows := map[string]error{
		"since nobody leads the shard":       &shards.NotPrimaryError{},
		"or it is full":                      &shards.Error{Kind: shards.KindDiskFull},
		"or damaged":                         &shards.Error{Kind: shards.KindCorrupt},
		"any other error without a code":     errors.New("x"),
		"| any other error without a code":   &shards.Error{Kind: shards.KindInvalid, Err: context.Canceled},
		"an error without a code, since nob": &shards.Error{Kind: shards.KindOutcomeUnknown},
	}
	for code := CodeFailed; code <= CodeBadReply; code++ {
		if code != CodeHandling && code != CodeBadReply && code != codeCrossing { // no message is refused with these, and nobody sees the last
			rows["*"+code.String()+"*"] = failed(ID{}, "", code, "")
		}
	}
	for of, err := range rows {
		tries, wait := said(triesFor(err))
		if gotTries, gotWait := row(of); gotTries != tries || !strings.HasPrefix(gotWait, wait) {
			t.Errorf("%s: the table says %q, %q; it is %q, %q", of, gotTries, gotWait, tries, wait)
		}
	}
}
