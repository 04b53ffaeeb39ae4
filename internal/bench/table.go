package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteTable writes rows as a Markdown table. Behind each figure of another
// contender stands its ratio to Portolan's: above 1, Portolan takes less.
func WriteTable(w io.Writer, rows []Row) error {
	var cells [][]string
	names := strings.Join(Names(), " / ")
	cells = append(cells, []string{"operation", "chart", "latency",
		"time: " + names, "processor time", "requests", "body bytes", "heap growth, MiB"})
	for _, row := range rows {
		cells = append(cells, []string{row.Operation, row.Chart, row.Latency.String(),
			row.each(func(o Outcome) (string, float64) { return milliseconds(o.Time), float64(o.Time) }),
			row.each(func(o Outcome) (string, float64) { return milliseconds(o.CPU), float64(o.CPU) }),
			row.each(func(o Outcome) (string, float64) { return fmt.Sprint(o.Requests), 0 }),
			row.each(func(o Outcome) (string, float64) { return fmt.Sprint(o.Bytes), 0 }),
			row.each(func(o Outcome) (string, float64) { return fmt.Sprintf("%.1f", float64(o.Heap)/(1<<20)), 0 }),
		})
	}
	return writeMarkdown(w, cells)
}

// each joins the figures of the contenders. A value of 0 has no ratio.
func (r Row) each(figure func(Outcome) (text string, value float64)) string {
	var parts []string
	_, first := figure(r.Outcomes[0])
	for i, o := range r.Outcomes {
		text, value := figure(o)
		if o == (Outcome{}) {
			text, value = "–", 0 // one that cannot do this
		}
		if i > 0 && first > 0 && value > 0 {
			text += fmt.Sprintf(" (×%.2g)", value/first)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " / ")
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 100 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.3g ms", ms)
}

func writeMarkdown(w io.Writer, cells [][]string) error {
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range cells {
		var b strings.Builder
		for i, cell := range line {
			b.WriteString("| " + cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)) + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			for i := range line {
				b.WriteString("|" + strings.Repeat("-", width[i]+2))
			}
			b.WriteString("|\n")
		}
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}
