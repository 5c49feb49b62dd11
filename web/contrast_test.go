package web_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast computes the contrast of the colours that meet on the pages, as WCAG 2.2 asks of level
// AA: 4.5 for text, 3 for the parts of charts, marks and the borders of fields.
func TestContrast(t *testing.T) {
	text := [][2]string{
		{"ink", "ground"}, {"ink", "surface"}, {"ink", "sunk"}, {"ink", "good-ground"}, {"ink", "bad-ground"}, {"ink", "broken-ground"},
		{"soft", "ground"}, {"soft", "surface"}, {"soft", "sunk"}, {"soft", "bad-ground"}, {"soft", "broken-ground"},
		{"link", "ground"}, {"link", "surface"}, {"link", "sunk"}, {"link", "broken-ground"}, {"on-link", "link"},
		{"bad", "surface"}, {"bad", "bad-ground"}, {"broken", "broken-ground"}, {"surface", "ink"},
	}
	graphics := [][2]string{
		{"edge", "surface"}, {"edge", "ground"}, {"answered", "surface"}, {"refused", "surface"}, {"tokens", "surface"},
		{"good", "surface"}, {"good", "sunk"}, {"bad", "sunk"}, {"broken", "sunk"}, {"broken", "surface"},
		{"on-mark", "good"}, {"on-mark", "bad"}, {"on-mark", "broken"},
		{"answered", "sunk"}, {"refused", "sunk"}, {"near", "sunk"}, {"tokens", "sunk"},
	}
	light, dark := palettes(t, asset(t, "style.css"))
	for scheme, colours := range map[string]map[string]float64{"light": light, "dark": dark} {
		for least, pairs := range map[float64][][2]string{4.5: text, 3: graphics} {
			for _, p := range pairs {
				a, okA := colours[p[0]]
				b, okB := colours[p[1]]
				if !okA || !okB {
					t.Errorf("%s: %v are not both colours of the stylesheet", scheme, p)
				} else if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < least {
					t.Errorf("%s: %s on %s has contrast %.2f, want %.1f", scheme, p[0], p[1], c, least)
				}
			}
		}
	}
	if len(light) != len(dark) {
		t.Errorf("light has %d colours, dark %d", len(light), len(dark))
	}
}

// palettes are the relative luminances of the stylesheet's colours, by name.
func palettes(t *testing.T, css string) (light, dark map[string]float64) {
	t.Helper()
	roots := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(css, -1)
	if len(roots) != 2 || !strings.Contains(css, "@media (prefers-color-scheme: dark)") {
		t.Fatalf("the stylesheet has %d sets of colours, want light and dark", len(roots))
	}
	return luminances(t, roots[0][1]), luminances(t, roots[1][1])
}

func luminances(t *testing.T, block string) map[string]float64 {
	t.Helper()
	colours := map[string]float64{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
		rgb, err := strconv.ParseUint(m[2], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		colours[m[1]] = 0.2126*linear(rgb>>16) + 0.7152*linear(rgb>>8) + 0.0722*linear(rgb)
	}
	return colours
}

func linear(channel uint64) float64 {
	c := float64(channel&0xff) / 255
	if c <= 0.04045 {
		return c / 12.92
	}
	return math.Pow((c+0.055)/1.055, 2.4)
}
