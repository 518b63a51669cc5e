package admin

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// hexText is bytes as JSON text in hexadecimal.
type hexText []byte

// UnmarshalJSON reads hexadecimal digits.
func (h *hexText) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return fmt.Errorf("hexadecimal text: %w", err)
	}
	decoded, err := hex.DecodeString(digits)
	*h = decoded
	return err
}
