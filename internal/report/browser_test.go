package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/record"
)

var (
	picture = flag.String("picture", "", "draw the report of the records in this file to docs/report.png")
	shots   = flag.String("shots", "", "keep the pictures of the test in this folder")
)

// A browser is a headless browser that opens one file.
type browser struct {
	t          *testing.T
	path, file string
}

// openPage writes a page of records, with a script at its end, for a browser.
func openPage(t *testing.T, all *record.All, script string) browser {
	b := browser{t: t, file: filepath.Join(t.TempDir(), "report.html")}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && b.path == "" {
			b.path = path
		}
	}
	require.NotEmpty(t, b.path, "there is no browser: make chromium installs one")
	var page bytes.Buffer
	require.NoError(t, NewPage(all).HTML(&page))
	text := page.String()
	if script != "" { // which the page's own policy forbids
		text = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).ReplaceAllString(text, "")
		text = strings.Replace(text, "</body>", "<script>"+script+"</script></body>", 1)
	}
	require.NoError(t, os.WriteFile(b.file, []byte(text), 0o600))
	return b
}

// run runs the browser with flags, and returns what it prints.
func (b browser) run(flags ...string) []byte {
	flags = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=2000", "--user-data-dir=" + b.t.TempDir(),
	}, flags...)
	text, err := exec.Command(b.path, append(flags, (&url.URL{Scheme: "file", Path: b.file}).String())...).Output()
	require.NoError(b.t, err)
	return text
}

// shot takes a picture of the beginning of the page.
func (b browser) shot(width, height int, dark bool) []byte {
	out := filepath.Join(b.t.TempDir(), "shot.png")
	b.run(fmt.Sprintf("--window-size=%d,%d", width, height), scheme(dark), "--screenshot="+out)
	data, err := os.ReadFile(out)
	require.NoError(b.t, err)
	return data
}

// scheme returns the flag for a dark or a light scheme.
func scheme(dark bool) string {
	return "--blink-settings=preferredColorScheme=" + map[bool]string{true: "0", false: "1"}[dark]
}

// probe writes what it finds on the page into its title: widths, the elements that scroll
// on their own, text with too little contrast, and what the Tab key reaches.
const probe = `
const rgb = c => c.match(/[\d.]+/g).map(Number);
const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b };
const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c.slice(0, 3) } return [255, 255, 255] };
const found = { width: document.documentElement.scrollWidth, inner: innerWidth, scrollers: [], faint: [], tab: [], unlabelled: [] };
for (const d of document.querySelectorAll('details')) d.open = OPEN;
for (const e of document.querySelectorAll('body *')) {
  if (e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) found.scrollers.push(e.className + ': ' + e.scrollWidth + ' > ' + e.clientWidth);
  if (e.tabIndex >= 0) found.tab.push(e.tagName + (e.tabIndex > 0 ? e.tabIndex : ''));
  if (!e.closest('svg, script') && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) {
    const a = light(rgb(getComputedStyle(e).color).slice(0, 3)), b = light(back(e));
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < 4.5) found.faint.push(e.tagName + '.' + e.className + ' ' + contrast.toFixed(2) + ': ' + e.textContent.slice(0, 30));
  }
}
for (const e of document.querySelectorAll('th:not([scope]), [role=region]:not([aria-label])')) found.unlabelled.push(e.outerHTML);
document.title = 'probe' + btoa(unescape(encodeURIComponent(JSON.stringify(found))));
`

// A probed is what the probe finds.
type probed struct {
	Width, Inner                      int
	Scrollers, Faint, Tab, Unlabelled []string
}

// TestBrowser opens a page with every kind in a real browser, at the widths of a screen, a
// tablet and a phone, light and dark, with all details closed and open. Nothing may be
// wider than the window, nothing may scroll on its own where there is room, all text must
// have the contrast of WCAG 2 (AA), and the Tab key must reach every control.
func TestBrowser(t *testing.T) {
	labtest.Long(t, "a browser")
	all := everyKind("go1.21.3", "go1.23.4", "go1.25.12", "go1.26.5", "go1.27.4")
	for _, width := range []int{1600, 800, 500} {
		for _, dark := range []bool{false, true} {
			for _, open := range []string{"false", "true"} {
				name := fmt.Sprintf("%d, dark %v, open %s", width, dark, open)
				b := openPage(t, all, strings.Replace(probe, "OPEN", open, 1))
				dom := b.run(fmt.Sprintf("--window-size=%d,1600", width), scheme(dark), "--dump-dom")
				m := regexp.MustCompile(`<title>probe([A-Za-z0-9+/=]+)</title>`).FindSubmatch(dom)
				require.NotNil(t, m, name)
				var found probed
				require.NoError(t, json.Unmarshal(decode(t, m[1]), &found))
				assert.Equal(t, width, found.Inner, name)
				assert.LessOrEqual(t, found.Width, found.Inner, name)
				assert.Empty(t, found.Faint, name)
				assert.Empty(t, found.Unlabelled, name)
				if width == 1600 {
					assert.Empty(t, found.Scrollers, name)
				}
				assert.Equal(t, "A", found.Tab[0], "%s: the link that skips the head", name)
				for _, tab := range found.Tab {
					assert.Regexp(t, `^[A-Z]+$`, tab, "%s: in the order of the page", name)
				}
				assert.GreaterOrEqual(t, strings.Count(strings.Join(found.Tab, " "), "SUMMARY"), len(all.Windows), name)
			}
		}
	}
	assert.NotContains(t, string(openPage(t, records(), "").run("--dump-dom")), "<script")
}

// TestBrowserPhone opens the page in a frame as wide as a small phone: a browser's window
// has at least 500 pixels.
func TestBrowserPhone(t *testing.T) {
	labtest.Long(t, "a browser")
	inner := openPage(t, everyKind("go1.23.4", "go1.27.4"), strings.Replace(probe, "OPEN", "true", 1)+`parent.postMessage(document.title, '*');`)
	outer := inner
	outer.file = filepath.Join(filepath.Dir(inner.file), "frame.html")
	require.NoError(t, os.WriteFile(outer.file, []byte(`<!DOCTYPE html><script>onmessage = e => document.title = e.data</script><iframe src="report.html" width="360" height="2000" style="border:0"></iframe>`), 0o600))
	m := regexp.MustCompile(`<title>probe([A-Za-z0-9+/=]+)</title>`).FindSubmatch(outer.run("--dump-dom"))
	require.NotNil(t, m)
	var found probed
	require.NoError(t, json.Unmarshal(decode(t, m[1]), &found))
	assert.Equal(t, 360, found.Inner)
	assert.LessOrEqual(t, found.Width, 360)
	keep(t, "phone.png", outer.shot(500, 2000, false))
}

// TestBrowserPictures takes pictures in both schemes, and prints the page. Something must
// be drawn, in the scheme's colours.
func TestBrowserPictures(t *testing.T) {
	labtest.Long(t, "a browser")
	b := openPage(t, everyKind("go1.23.4", "go1.27.4"), "")
	for _, width := range []int{1600, 800, 500} {
		for _, dark := range []bool{false, true} {
			data := b.shot(width, 1600, dark)
			keep(t, fmt.Sprintf("%d-%v.png", width, dark), data)
			image, err := png.Decode(bytes.NewReader(data))
			require.NoError(t, err)
			colours := map[any]bool{}
			for y := 0; y < 1600; y += 3 {
				for x := 0; x < width; x += 3 {
					colours[image.At(x, y)] = true
				}
			}
			assert.Greater(t, len(colours), 20, "something is drawn at %d", width)
			r, _, _, _ := image.At(2, 2).RGBA()
			assert.Equal(t, dark, r < 0x8000, "the background at %d, dark %v", width, dark)
		}
	}
	size := func(b browser) int {
		out := filepath.Join(t.TempDir(), "page.pdf")
		b.run("--no-pdf-header-footer", "--print-to-pdf="+out)
		data, err := os.ReadFile(out)
		require.NoError(t, err)
		keep(t, fmt.Sprintf("%d.pdf", len(data)), data)
		return bytes.Count(data, []byte("/Type /Page\n"))
	}
	closed := size(b)
	opened := size(openPage(t, everyKind("go1.23.4", "go1.27.4"), `for (const d of document.querySelectorAll('details')) d.open = true`))
	assert.Positive(t, closed)
	assert.Equal(t, opened, closed, "pages: details are printed as if they were open")
}

// TestPicture draws the picture of the README.
func TestPicture(t *testing.T) {
	if *picture == "" {
		info, err := os.Stat("../../docs/report.png")
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(200<<10))
		return
	}
	in, err := os.Open(*picture)
	require.NoError(t, err)
	defer in.Close()
	all := new(record.All)
	require.NoError(t, all.Read(in))
	require.NoError(t, os.WriteFile("../../docs/report.png", openPage(t, all, "").shot(1000, 900, false), 0o600))
}

// keep writes a file to the folder of -shots, if there is one.
func keep(t *testing.T, name string, data []byte) {
	if *shots != "" {
		require.NoError(t, os.WriteFile(filepath.Join(*shots, name), data, 0o600))
	}
}

func decode(t *testing.T, text []byte) []byte {
	data, err := base64.StdEncoding.DecodeString(string(text))
	require.NoError(t, err)
	return data
}
