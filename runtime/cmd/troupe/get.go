package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func getCommand(c *console) *cobra.Command {
	var out string
	var raw bool
	var from admin.Reading
	cmd := &cobra.Command{
		Use: "get KEY", Short: "print the value of a key", Args: cobra.ExactArgs(1),
		Long: "Prints the value's bytes and nothing else. A terminal gets text only, unless --raw insists.\nExit code 3 says that the key is not there.",
		Example: `  troupe get net/http/server.go | head
  troupe get logo.png --out logo.png
  troupe get session:42 --json
  troupe get session:42 --replica --within 2s`,
	}
	cmd.Flags().StringVar(&out, "out", "", "write the value to this `file`")
	cmd.Flags().BoolVar(&raw, "raw", false, "print bytes that are no text to a terminal, too")
	cmd.Flags().BoolVar(&from.Replica, "replica", false, "any in-sync copy may answer, also while the primary is out of reach: the value may be stale")
	cmd.Flags().DurationVar(&from.Within, "within", 0, "with --replica: it lacks no write that was acknowledged longer ago than this `duration`; 0 is no bound")
	r := withRemote(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		value, err := client.GetFrom(cmd.Context(), r.keyspace, []byte(args[0]), from)
		if err != nil {
			return r.explain(err)
		}
		switch {
		case r.json:
			return printJSON(c.out, entryJSON([]byte(args[0]), present(value.Bytes), int64(len(value.Bytes)), value.Version, value.ExpireAt))
		case out != "":
			return os.WriteFile(out, value.Bytes, 0o644)
		}
		return c.printValue(value, raw)
	}
	return cmd
}

// printValue writes a value as it is; on a terminal it refuses bytes that are no text, and ends the last line.
func (c *console) printValue(value admin.Value, raw bool) error {
	terminal := interactive(c.out)
	if terminal && !raw && !printable(value.Bytes, true) {
		return fmt.Errorf("the value (%d bytes) is no text: write it to a file with --out FILE, or print it with --raw", len(value.Bytes))
	}
	_, err := c.out.Write(value.Bytes)
	if n := len(value.Bytes); terminal && n > 0 && value.Bytes[n-1] != '\n' {
		_, errEnd := fmt.Fprintln(c.out)
		err = errors.Join(err, errEnd)
	}
	return err
}

// jsonEntry is one key in JSON output.
type jsonEntry struct {
	jsonKey
	Version  uint64    `json:"version"`
	ExpireAt int64     `json:"expire_at,omitempty"` // Unix milliseconds
	Size     int64     `json:"size"`
	Value    jsonValue `json:"value,omitzero"`
}

// entryJSON takes nil for a value that nobody asked for: an empty one is printed.
func entryJSON(key, value []byte, size int64, version uint64, expireAt int64) jsonEntry {
	return jsonEntry{keyJSON(key), version, expireAt, size, value}
}

// present is a value that is there, also if it is empty.
func present(value []byte) jsonValue {
	if value == nil {
		return jsonValue{}
	}
	return value
}

// jsonValue is how values appear in JSON: base64. Nil is none, which is not the same as an empty one.
type jsonValue []byte

// IsZero makes encoding/json leave out what is not there.
func (v jsonValue) IsZero() bool { return v == nil }
