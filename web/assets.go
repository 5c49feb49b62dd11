package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets/style.css assets/config.css assets/providers.css assets/limits.css assets/icon.svg
var assetFiles embed.FS

// Assets are the files that the pages load: the stylesheets and the icon. Each is served under a name
// that holds a hash of its content, so that browsers may keep it for good and still never show
// a new page in an old dress. The zero value serves nothing; [NewAssets] makes one that does.
type Assets struct {
	hashed map[string]string // "style.css" → "style.0123456789ab.css"
	files  map[string]asset  // by hashed name
}

type asset struct {
	content     []byte
	contentType string
}

// embedded is written once, before main, and only read from then on: components need the names and
// take nothing but their view model.
var embedded = NewAssets()

// NewAssets hashes the embedded files.
func NewAssets() Assets {
	a := Assets{hashed: map[string]string{}, files: map[string]asset{}}
	for name, contentType := range map[string]string{
		"style.css":     "text/css; charset=utf-8",
		"config.css":    "text/css; charset=utf-8",
		"providers.css": "text/css; charset=utf-8",
		"limits.css":    "text/css; charset=utf-8",
		"icon.svg":      "image/svg+xml",
	} {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			panic("read embedded asset: " + err.Error()) // the embed directive above lists it
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.hashed[name] = hashed
		a.files[hashed] = asset{content, contentType}
	}
	return a
}

// URL is the address of an asset ("style.css", "icon.svg") below the admin's path, base. A name that
// does not exist leads to an address that answers 404.
func (a Assets) URL(base, name string) string {
	if hashed, ok := a.hashed[name]; ok {
		name = hashed
	}
	return base + "/assets/" + name
}

// ServeHTTP serves the asset that the path's part after "/assets/" names, or the whole path where a
// prefix was stripped. An unknown name is 404, a method other than GET and HEAD 405.
func (a Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if i := strings.LastIndex(r.URL.Path, "/assets/"); i >= 0 {
		name = r.URL.Path[i+len("/assets/"):]
	}
	file, ok := a.files[name]
	if !ok {
		http.Error(w, "no such asset", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "an asset is read with GET", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(file.content))) // for HEAD, where net/http drops the body
	_, _ = w.Write(file.content)
}
