package source

import (
	"encoding/json"
	"errors"
	"fmt"
)

// scanned watches over the end records of what troupe scan has printed: each counts the records before it, up to the one before.
// Files of early releases have none.
type scanned struct {
	since int64 // line of the last end record; 0: there was none yet
	blank int   // Records.skipped.Blank then
	about bool  // reading began in the middle: how many of the lines before were blank is not known
	whole bool  // the last record was an end
}

// errEnd is no failure: the line is an end record that is right.
var errEnd = errors.New("end record")

// splitScanned takes what troupe scan has printed of a key, or checks the end record.
func (r *Records) splitScanned(line []byte) (Item, error) {
	var entry struct {
		End      bool    `json:"end"`
		Count    int64   `json:"count"`
		Key      *string `json:"key"`
		Key64    []byte  `json:"key64"`
		Value    *[]byte `json:"value"`
		Size     *int64  `json:"size"`
		ExpireAt int64   `json:"expire_at"`
	}
	r.scan.whole = false
	if err := json.Unmarshal(line, &entry); err != nil {
		return Item{}, fmt.Errorf("%w: not what troupe scan --values --json prints: %w", ErrRecord, err)
	}
	item := Item{Key: entry.Key64, ExpireAt: entry.ExpireAt}
	if entry.Key != nil {
		item.Key = []byte(*entry.Key)
	}
	switch {
	case entry.End && item.Key == nil:
		return Item{}, r.end(entry.Count)
	case item.Key == nil:
		return Item{}, fmt.Errorf("%w: it has no key", ErrRecord)
	case entry.Value != nil:
		item.Value = *entry.Value
	case entry.Size == nil || *entry.Size != 0: // scans of early releases leave empty values out
		return Item{}, fmt.Errorf("%w: it has no value: scan with --values", ErrRecord)
	}
	return item, nil
}

// end checks an end record, the line that was read last. Records that cannot be used count: they are there.
func (r *Records) end(count int64) error {
	records, about := r.line-1-r.scan.since-int64(r.skipped.Blank-r.scan.blank), r.scan.about
	r.scan = scanned{since: r.line, blank: r.skipped.Blank, whole: true}
	if records == count || about && records > count {
		return errEnd
	}
	return fmt.Errorf("%w: the scan ended with %d keys, and %d are here", ErrCut, count, records)
}

// Whole says, at the end of the source, whether it is known to be all that was printed: false if a scan has not ended in it.
func (r *Records) Whole() bool { return r.format.Kind != Scanned || r.scan.whole }
