package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ageValue is a flag: a duration as Go writes it, or days as in 30d.
type ageValue time.Duration

func (v *ageValue) Set(s string) error {
	d, err := parseAge(s)
	if err == nil {
		*v = ageValue(d)
	}
	return err
}

func (v *ageValue) Type() string { return "time" }

func (v *ageValue) String() string {
	const day = 24 * time.Hour
	d := time.Duration(*v)
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}

func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/(24*time.Hour)) {
			return 0, fmt.Errorf("%q is no number of days", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time, such as 30d or 12h", s)
	}
	return d, nil
}

// bytesValue is a flag: a number of bytes with or without a unit.
type bytesValue int64

func (v *bytesValue) Set(s string) error {
	n, err := parseBytes(s)
	if err == nil {
		*v = bytesValue(n)
	}
	return err
}

func (v *bytesValue) Type() string { return "bytes" }

func (v *bytesValue) String() string {
	if *v == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*v), 10)
}

// units are powers of 1024, also where they are written short, as df and du
// have it, and of 1000 where they end in B alone.
var units = map[string]float64{
	"": 1, "b": 1,
	"k": 1 << 10, "ki": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mi": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gi": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "ti": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

func parseBytes(s string) (int64, error) {
	number := strings.TrimRight(s, "bkmgtiBKMGTI ")
	unit, ok := units[strings.ToLower(strings.TrimSpace(s[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || math.Signbit(n) || !(n*unit < math.MaxInt64) || strings.ContainsAny(number, "xXpP_") {
		return 0, fmt.Errorf("%q is no number of bytes, such as 500MB or 5GiB", s)
	}
	return int64(n * unit), nil
}
