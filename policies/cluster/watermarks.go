package cluster

// CheckWatermarks refuses watermarks that are out of order once these settings are made: more may be used at the high one than at the
// low one, and more yet at the flood stage. One that is a part is not compared with one that is a size: which is higher depends on the
// node. Settings that concern no watermark are no matter to it.
func (s *State) CheckWatermarks(set []Setting) error {
	value := func(name string) string {
		for i := len(set) - 1; i >= 0; i-- { // of one that is set twice the last is in force
			if set[i].Name == name && set[i].Value != "" {
				return set[i].Value
			} else if set[i].Name == name {
				return s.DefaultOf(name)
			}
		}
		return s.Value(name)
	}
	concerns := func(name string) bool { return first(set, func(x *Setting) bool { return x.Name == name }) != nil }
	for _, prefix := range []string{SettingDiskWatermark, SettingMemoryWatermark} {
		for _, pair := range [][2]string{{"low", "high"}, {"high", "flood_stage"}, {"low", "flood_stage"}} {
			lower, upper := prefix+pair[0], prefix+pair[1]
			if !concerns(lower) && !concerns(upper) {
				continue
			}
			below, err := ParseWatermark(value(lower))
			if err != nil {
				return err
			}
			above, err := ParseWatermark(value(upper))
			if err != nil {
				return err
			}
			if (below.Left > 0) == (above.Left > 0) && (below.Part > above.Part || below.Left < above.Left) {
				return refuse(WhyInvalid, "setting %s would be %s, beyond %s, which is %s: it must not be; set them together", lower, value(lower), upper, value(upper))
			}
		}
	}
	return nil
}
