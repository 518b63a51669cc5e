package transport

import "github.com/troupe-actors/troupe/tracing"

// carry puts the carrier of a traced message before its body, if the peer can read it and there is room.
func (l *link) carry(f *frame, from tracing.Carrier) {
	if !from.Valid() || l.reads&featureCarriers == 0 || len(f.body)+tracing.CarrierBytes > l.t.config.MaxBody {
		return
	}
	body := from.Append(make([]byte, 0, tracing.CarrierBytes+len(f.body)))
	f.traced, f.body = true, append(body, f.body...)
}

// uncarry takes the carrier off the body of a traced frame. ok is false if it has none.
func (f *frame) uncarry() (from tracing.Carrier, ok bool) {
	if !f.traced {
		return from, true
	}
	from, f.body, ok = tracing.ReadCarrier(f.body)
	return from, ok
}
