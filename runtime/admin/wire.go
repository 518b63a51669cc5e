package admin

// Headers of a key's answer.
const (
	headerVersion  = "Troupe-Version"
	headerExpireAt = "Troupe-Expire-At" // Unix milliseconds; not there if the key never expires
)

// errorAnswer is the JSON of every error.
type errorAnswer struct {
	Error struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
		Code   string `json:"code,omitempty"`
	} `json:"error"`
	Status int `json:"status"`
}

// answer is the JSON of this error.
func (e *Error) answer() (a errorAnswer) {
	a.Error.Kind, a.Error.Reason, a.Error.Code, a.Status = e.Kind, e.Reason, e.Code, e.Status
	return a
}
