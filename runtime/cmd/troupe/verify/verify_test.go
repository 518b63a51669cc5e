package verify

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// stream makes sums of words "key=value"; "!" is an item that cannot be read, "?" a broken stream.
func stream(text string) iter.Seq2[source.Sum, error] {
	return func(yield func(source.Sum, error) bool) {
		for word := range strings.FieldsSeq(text) {
			key, value, _ := strings.Cut(word, "=")
			sum := source.Summed(source.Item{Key: []byte(key), Value: []byte(value)})
			var err error
			switch word {
			case "!":
				err = &source.ItemError{Where: "file", Err: source.ErrTooLarge}
			case "?":
				err = errBroken
			}
			if !yield(sum, err) || err == errBroken {
				return
			}
		}
	}
}

var errBroken = errors.New("broken")

func TestCompare(t *testing.T) {
	for _, c := range []struct{ local, remote, want string }{
		{"", "", "0 same []"},
		{"a=1 b=2", "a=1 b=2", "2 same []"},
		{"a=1 b=2", "", "0 same [missing a missing b]"},
		{"", "a=1 b=2", "0 same [extra a extra b]"},
		{"a=1 b=2 d=4 e=5", "a=1 b=3 c=0 e=5", "2 same [different b extra c missing d]"},
		{"a=1 ! c=3", "a=1 c=3", "2 same [] 1 refused"},
		{"!", "", "0 same [] 1 refused"},
	} {
		var found []string
		counts, err := Compare(stream(c.local), stream(c.remote), Options{Extra: true, Found: func(d Difference) {
			found = append(found, fmt.Sprintf("%s %s", d.Kind, d.Key))
		}})
		got := fmt.Sprintf("%d same %v", counts.Same, found)
		if counts.Refused > 0 {
			got += fmt.Sprintf(" %d refused", counts.Refused)
		}
		if err != nil || got != c.want || counts.Differences() != int64(len(found)) {
			t.Errorf("%q and %q: %s, %v; want %s", c.local, c.remote, got, err, c.want)
		}
	}
	counts, err := Compare(stream("b=1"), stream("a=1 b=1 c=1"), Options{})
	if err != nil || counts.Differences() != 0 || counts.Same != 1 {
		t.Errorf("without Extra: %+v, %v", counts, err)
	}
}

// A key that may have expired is no difference if it is not there; one that is there must be right.
func TestCompareKnowsWhatExpires(t *testing.T) {
	local := func(yield func(source.Sum, error) bool) {
		for i, at := range []int64{0, 5, 6, 5, 5} {
			item := source.Item{Key: []byte{'a' + byte(i)}, Value: []byte("1"), ExpireAt: at}
			if !yield(source.Summed(item), nil) {
				return
			}
		}
	}
	counts, err := Compare(local, stream("d=1 e=2"), Options{Expired: func(at int64) bool { return at <= 5 }})
	if want := (Counts{Same: 1, Missing: 2, Different: 1, Expired: 1, Bytes: 1}); err != nil || counts != want || counts.Differences() != 3 {
		t.Errorf("%+v, %v; want %+v", counts, err, want)
	}
}

func TestCompareRefusesStreamsItCannotTrust(t *testing.T) {
	for _, c := range []struct {
		local, remote string
		want          error
	}{
		{"b=1 a=1", "", ErrOrder}, {"a=1 b=2", "a=1 a=1", ErrOrder}, {"a=1 ?", "a=1", errBroken}, {"a=1 b=1", "a=1 ?", errBroken}, {"?", "", errBroken},
	} {
		if _, err := Compare(stream(c.local), stream(c.remote), Options{Extra: true}); !errors.Is(err, c.want) {
			t.Errorf("%q and %q: %v, want %v", c.local, c.remote, err, c.want)
		}
	}
}

// The merge finds what maps find.
func TestCompareAgreesWithMaps(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		side := func() (map[string]string, string) {
			m := map[string]string{}
			for range random.IntN(20) {
				m[fmt.Sprint("k", random.IntN(25))] = fmt.Sprint(random.IntN(2))
			}
			var words []string
			for k, v := range m {
				words = append(words, k+"="+v)
			}
			slices.SortFunc(words, func(a, b string) int {
				return strings.Compare(a[:strings.Index(a, "=")], b[:strings.Index(b, "=")])
			})
			return m, strings.Join(words, " ")
		}
		local, localText := side()
		remote, remoteText := side()
		var want Counts
		for k, v := range local {
			stored, ok := remote[k]
			switch {
			case !ok:
				want.Missing++
			case stored != v:
				want.Different++
			default:
				want.Same++
				want.Bytes++
			}
		}
		for k := range remote {
			if _, ok := local[k]; !ok {
				want.Extra++
			}
		}
		got, err := Compare(stream(localText), stream(remoteText), Options{Extra: true})
		if err != nil || got != want {
			t.Fatalf("seed %d: %+v, %v; want %+v", seed, got, err, want)
		}
	}
}
