package main

import (
	"testing"
	"time"
)

func TestParseAge(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"30d": 30 * 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "0": 0, "0d": 0,
		"": -1, "d": -1, "-1d": -1, "-1h": -1, "1.5d": -1, "30": -1, "1d12h": -1, "4294967295d": -1, "1e3d": -1,
	} {
		got, err := parseAge(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1000": 1000, "1k": 1 << 10, "1KiB": 1 << 10, "1 KiB": 1 << 10, "1kB": 1000, "5GiB": 5 << 30, "1.5M": 3 << 19, "2TB": 2e12, "7B": 7,
		"": -1, "GiB": -1, "-1": -1, "-0": -1, "1e30": -1, "9000000T": -1, "NaN": -1, "Inf": -1, "1GG": -1, "1iG": -1, "0x10": -1, "1_000": -1, "1 000": -1,
	} {
		got, err := parseBytes(s)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
}

// What is read is never negative, and is read again from what a flag shows.
func FuzzAmounts(f *testing.F) {
	for _, s := range []string{"30d", "1h30m", "5GiB", "1.5M", "9223372036854775807", "106751d", "1e18", "1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var age, again ageValue
		if age.Set(s) == nil && age != 0 {
			if err := again.Set(age.String()); age < 0 || err != nil || again != age {
				t.Errorf("%q: %d, %s: %d, %v", s, age, &age, again, err)
			}
		}
		var n, same bytesValue
		if n.Set(s) == nil && n != 0 {
			if err := same.Set(n.String()); n < 0 || err != nil || float64(same) != float64(n) {
				t.Errorf("%q: %d, %s: %d, %v", s, n, &n, same, err)
			}
		}
	})
}
